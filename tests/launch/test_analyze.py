"""`iodine-analyze` on a tiny run: every study leaves its files, and mistakes are told in a line."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

PICTURES = {
    "traverse": {"traverse.png", "traverse_slot.png"},
    "project": {"project_pca.png", "project_tsne.png"},
    "iterate": {"iterate.png", "iterate_curves.png"},
    "reread": {"reread.png", "reread_runs.png"},
    "sample": {"sample.png"},
}


@pytest.mark.parametrize("study", PICTURES)
def test_each_study_leaves_pictures_csv_and_json(program, tiny_run, tiny_data, tmp_path, study):
    data = () if study == "sample" else (f"--data_dir={tiny_data}",)
    outcome = program(
        "analyze", f"--run={tiny_run}", study, *data, "--num_runs=4", "--num_latents=2",
        "--num_samples=2", f"--output={tmp_path}",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert {p.name for p in tmp_path.iterdir()} == {
        *PICTURES[study], f"{study}.csv", f"{study}.json",
    }  # fmt: skip
    record = json.loads((tmp_path / f"{study}.json").read_text())
    assert record["study"] == study
    assert record["run"] == str(tiny_run)
    expected = {"reread": "1 scene of", "sample": ""}.get(study, "13 scenes of")
    assert record["images"].startswith(expected)
    assert outcome.out.splitlines()[0] == record["summary"]
    with (tmp_path / f"{study}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (
        len(rows) == {"traverse": 2, "project": 39, "iterate": 3, "reread": 4, "sample": 6}[study]
    )


@pytest.mark.parametrize("study", ["probe", "disentangle"])
def test_forests_and_probes_need_more_images(program, tiny_run, tiny_data, tmp_path, study):
    outcome = program(
        "analyze", study, f"--run={tiny_run}", f"--data_dir={tiny_data}", f"--output={tmp_path}"
    )
    assert outcome.code == 1
    assert "13 images with objects leave 10 to fit probes and 3 to score them" in outcome.error()
    assert not list(tmp_path.iterdir())


def test_own_pictures(program, tiny_run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    outcome = program(
        "analyze", f"--run={tiny_run}", "iterate", f"--image={tmp_path / 'mine.png'}",
        f"--output={tmp_path / 'o'}",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    note = f"{tmp_path / 'mine.png'}: cropped from 16x20 to its centre 16x16, resized to 8x8"
    assert outcome.out.splitlines()[0] == note
    assert json.loads((tmp_path / "o/iterate.json").read_text())["numbers"]["images"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (
            (),
            2,
            "what to do is missing; give one of: probe, disentangle, traverse, ",
        ),
        (("look",), 2, "unknown command 'look'; give one of: probe, "),
        (("probe", "sample"), 2, "unexpected argument 'sample'; see --help"),
        (("probe",), 1, "give either --data_dir=DIR, or --image=FILE once or more"),
        (("reread", "--data_dir=DATA", "--scene=99"), 1, "no scene 99; the images are 0 to 12"),
        (("iterate", "--data_dir=DATA", "--split=nope"), 1, "has no split 'nope'"),
        (("sample", "--num_samples=0"), 2, "flag --num_samples=0: 0 is not a positive integer"),
    ],
)
def test_mistakes(program, tiny_run, tiny_data, tmp_path, arguments, code, line):
    arguments = [argument.replace("DATA", tiny_data) for argument in arguments]
    outcome = program("analyze", f"--run={tiny_run}", *arguments, f"--output={tmp_path}")
    assert line in outcome.error()
    assert outcome.code == code
    assert not list(tmp_path.iterdir())


def test_help_tells_the_studies(program):
    outcome = program("analyze", "--help")
    assert outcome.code == 0
    assert "  reread      how many ways there are" in outcome.out
    assert "--num_runs" in outcome.out
