"""`docs/learning/curves.py`: what it reads of a run, and what took how long."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest

_SCRIPT = pathlib.Path(__file__).parents[2] / "docs" / "learning" / "curves.py"
_METRICS = """step,event,images_per_second,fg_ari,ari,miou,mse,kl,neg_log_likelihood
100,train,80,,,,,,
200,train,160,,,,,,
200,validation,,0.5,0.4,0.3,0.02,100,-900
300,train,80,,,,,,
400,train,40,,,,,,
400,validation,,0.96,0.9,0.8,0.001,90,-1200
"""


@pytest.fixture(scope="module")
def curves():
    spec = importlib.util.spec_from_file_location("curves", _SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def written(curves, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"train": {"batch_size": 16}}))
    (run / "metrics.csv").write_text(_METRICS)
    path = tmp_path / "curve.csv"
    curves.main(["csv", str(run), str(path)])
    return path


def test_a_run_becomes_a_row_for_each_validation(written):
    rows = written.read_text().splitlines()
    assert rows == [
        "step,images,seconds,fg_ari,ari,miou,mse,kl,neg_log_likelihood",
        "200,3200,30,0.5,0.4,0.3,0.02,100,-900",  # 1,600 images at 80 and at 160 a second
        "400,6400,90,0.96,0.9,0.8,0.001,90,-1200",
    ]


def test_the_table_says_what_it_took_and_the_figure_shows_it(curves, written, tmp_path, capsys):
    old = tmp_path / "old.csv"  # as they were written before seconds were kept
    old.write_text("step,images,fg_ari\n10,4000,0.3\n20,8000,0.85\n")
    picture = tmp_path / "curves.png"
    curves.main(["draw", str(picture), f"new={written}", f"old={old}"])
    _, _, new, of_old = capsys.readouterr().out.splitlines()
    cells = "3, 0 min | 6, 2 min | 6, 2 min | 6, 2 min | - | 0.960 | 0.960"
    assert new == f"| new, 0 | {cells} |"
    assert of_old == "| old, 0 | 8 | 8 | - | - | - | 0.850 | 0.850 |"
    assert picture.stat().st_size > 5_000

    figure = curves.draw({"new": [curves.read_csv(written)], "old": [curves.read_csv(old)]})
    by_images, by_minutes = figure.axes
    np.testing.assert_allclose(by_images.lines[0].get_xydata(), [[3200, 0.5], [6400, 0.96]])
    np.testing.assert_allclose(by_minutes.lines[0].get_xdata(), [0.5, 1.5])


def test_a_wrong_call_says_how(curves):
    with pytest.raises(SystemExit, match=r"curves\.py csv RUN"):
        curves.main(["draw", "out.png"])
