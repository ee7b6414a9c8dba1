"""`iodine-reproduce`: every artifact at budget smoke, and what is told where something is wrong."""

import csv
import gzip
import json
import pathlib
import struct

import numpy as np
import pytest
import tensorflow as tf
import threadpoolctl
from PIL import Image

from iodine.config import override
from iodine.datasets import mnist_files, pipelines, preparation
from iodine.evaluation.evaluator import Evaluator
from iodine.launch import training_jobs
from iodine.models import registry
from iodine.reproduction import catalogue
from iodine.reproduction.framework import estimate, training_curves
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import table1
from iodine.training import checkpoints
from iodine.training import run_folder as run_folder_lib
from iodine.training.trainer import Trainer

_INITIAL_POSTERIOR = "model/initial_posterior/.ATTRIBUTES/VARIABLE_VALUE"


def write_mnist(folder):
    """Files in MNIST's format with a few digits, which nobody generates: blocks of white."""
    images = np.zeros((40, 28, 28), np.uint8)
    images[:, 8:20, 10:18] = 255
    labels = np.arange(40, dtype=np.uint8) % 10
    folder.mkdir()
    for name, array in zip(mnist_files.FILES, (images, labels) * 2, strict=True):
        shape = struct.pack(f">{array.ndim}I", *array.shape)
        content = bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()
        (folder / name).write_bytes(gzip.compress(content))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Data and runs that the artifacts of this module share, and where the results go."""
    root = tmp_path_factory.mktemp("reproduce")
    write_mnist(root / "mnist")
    preparation.prepare(
        "textured_mnist/generated",
        str(root / "data"),
        settings={"num_train": 20, "num_validation": 4, "num_test": 16},
        source=str(root / "mnist"),
    )
    return {"data_dir": root / "data", "runs": root / "runs", "output": root / "output"}


def untrained(config, run_folder, data_dir, strategy_name, wait):
    """Leaves in a second what a training would: its first weights, saved under the last step."""
    del data_dir, strategy_name, wait
    folder = pathlib.Path(run_folder)
    trainer = Trainer(config, tf.distribute.get_strategy())
    trainer.optimizer.iterations.assign(config.train.steps)
    run_folder_lib.start_or_resume(folder, config)
    checkpoints.TrainingCheckpoints(folder, trainer).save()
    with tf.summary.create_file_writer(str(folder / "tensorboard")).as_default():
        for step in range(1, config.train.steps + 1):
            for tag in ("train/loss", "train_kl/iteration_0", "validation/mse"):
                tf.summary.scalar(tag, 10.0 / step, step)
            tf.summary.scalar("validation/fg_ari", 0.1 * step, step)


@pytest.fixture(scope="module")
def reproduce(program, folders):
    """Makes an artifact at budget smoke, of models that are not trained.

    Gives its record, table and folder, and what the program said; without flags those of an earlier
    call of this module, unless asked to make it `again`.
    `test_an_artifact_trains_what_it_needs` trains, and so does every artifact among the slow tests.
    """

    def call(name, *flags, again=False):
        if not flags and name in made and not again:
            return made[name]
        places = (f"--{key}={path}" for key, path in folders.items())
        # With several threads t-SNE waits for cores that others use: half a minute for a few
        # objects.
        with pytest.MonkeyPatch.context() as patch, threadpoolctl.threadpool_limits(1):
            patch.setattr(training_jobs, "train", untrained)
            outcome = program("reproduce", f"--artifact={name}", "--budget=smoke", *places, *flags)
        assert outcome.code == 0, outcome.err
        folder = folders["output"] / name
        record = json.loads((folder / f"{name}.json").read_text())
        assert f"here: {record['comparison']}" in outcome.out
        with (folder / f"{name}.csv").open() as file:
            table = list(csv.DictReader(file))
        made[name] = record, table, folder, outcome
        return made[name]

    made = {}
    return call


@pytest.mark.parametrize("name", [artifact.name for artifact in catalogue.ARTIFACTS])
def test_every_artifact_is_made(reproduce, name):
    record, table, folder, _ = reproduce(name)
    assert record["paper"] == catalogue.find(name).claim
    assert record["comparison"]
    assert table
    pictures = sorted(folder.glob("*.png"))
    assert pictures or name in ("table1", "section-a3")
    for picture in pictures:
        pixels = np.asarray(Image.open(picture).convert("RGB"), np.float64)
        assert min(pixels.shape[:2]) > 100
        assert pixels.std(axis=(0, 1)).max() > 5  # not one colour


def test_an_artifact_trains_what_it_needs(program, tmp_path):
    flags = ("--artifact=figure30-32", "--budget=smoke", f"--output={tmp_path / 'output'}")
    places = (f"--data_dir={tmp_path / 'data'}", f"--runs={tmp_path / 'runs'}")
    outcome = program("reproduce", *flags, *places)
    assert outcome.code == 0, outcome.err
    assert "training 1 of 1: " in outcome.out
    record = json.loads((tmp_path / "output" / "figure30-32" / "figure30-32.json").read_text())
    folder = pathlib.Path(record["runs"]["CLEVR6"]["folder"])
    assert folder.parent == tmp_path / "runs"
    first, last = (
        tf.train.load_variable(str(folder / f"checkpoints/ckpt-{step}"), _INITIAL_POSTERIOR)
        for step in (0, 2)
    )
    assert np.abs(last - first).max() > 1e-6
    assert "validation/mse" in training_curves.read(str(folder), ["validation"])


@pytest.mark.slow
def test_every_artifact_is_made_of_trained_models(program, folders, tmp_path):
    outcome = program(
        *("reproduce", "--artifact=all", "--budget=smoke", f"--data_dir={folders['data_dir']}"),
        *(f"--runs={tmp_path / 'runs'}", f"--output={tmp_path / 'output'}"),
    )
    assert outcome.code == 0, outcome.err
    made = {path.name for path in (tmp_path / "output").iterdir()}
    assert made == {artifact.name for artifact in catalogue.ARTIFACTS}


def foreground_ari(run, folders):
    """The mean over the test images of budget smoke."""
    config, model = checkpoints.load_model(str(run))
    batches = pipelines.evaluation_batches(
        str(folders["data_dir"]), config.data.dataset, "test", 64, 16
    )
    return Evaluator(model)(batches.as_numpy_iterator())["fg_ari"][-1].mean()


def test_table_1_holds_what_the_evaluation_of_its_runs_gives(reproduce, folders):
    record, table, _, _ = reproduce("table1")
    row = next(row for row in table if row["data set"] == "Tetris")
    for model in ("IODINE", "MONet"):
        labels = [f"{model} on Tetris, seed {seed}" for seed in (0, 1)]
        scores = [foreground_ari(record["runs"][label]["folder"], folders) for label in labels]
        assert scores[0] != scores[1]
        assert float(row[f"{model} fg_ari"]) == pytest.approx(np.mean(scores))
        assert float(row[f"{model} fg_ari_std"]) == pytest.approx(np.std(scores))
        assert row[model] == f"{np.mean(scores):.3f} +- {np.std(scores):.3f}"
        assert row[f"{model} runs"] == "2 seeds"
    assert row["paper IODINE"] == "0.992 +- 0.004"
    assert row["R-NEM"] == "not run: R-NEM is not trained on Tetris at --budget=smoke"
    absent = next(row for row in table if row["data set"] == "CLEVR6")
    assert absent["IODINE"] == "not run: IODINE is not trained on CLEVR6 at --budget=smoke"


def test_given_runs_take_the_place_of_all_seeds_of_table_1(program, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(table1, "_PAPER", {"Tetris": table1._PAPER["Tetris"]})
    monkeypatch.setattr(table1, "models", lambda budget: ["IODINE"])
    config = Budget("smoke").training("x", "Tetris", {"model.latent_size": 6}).config
    scores, given = [], []
    for seed in (7, 8, 9):
        run = tmp_path / f"run{seed}"
        untrained(override(config, {"train.seed": seed}), run, None, None, None)
        given.append(f"--run=Tetris={run}")
        scores.append(foreground_ari(run, folders))
    outcome = program(
        *("reproduce", "--artifact=table1", "--budget=smoke", f"--output={tmp_path}", *given),
        *(f"--data_dir={folders['data_dir']}", f"--runs={tmp_path / 'own'}"),
    )
    assert outcome.code == 0, outcome.err
    assert "training" not in outcome.out.split("here: ")[0]
    with (tmp_path / "table1" / "table1.csv").open() as file:
        [row] = csv.DictReader(file)
    assert row["IODINE runs"] == "3 given runs"
    assert float(row["IODINE fg_ari"]) == pytest.approx(np.mean(scores))
    assert float(row["IODINE fg_ari_std"]) == pytest.approx(np.std(scores))
    assert "over 3 given runs" in outcome.out


def test_a_given_run_that_nothing_uses_ends_the_program_before_it_trains(program, tmp_path):
    outcome = program(
        *("reproduce", "--artifact=figure9,figure13-15", "--budget=smoke", f"--runs={tmp_path}"),
        *(f"--data_dir={tmp_path}", f"--output={tmp_path}"),
        "--run=Tetris=pretrained:tetrominoes_small",
    )
    assert outcome.code == 1
    assert outcome.error() == (
        "error: --run=Tetris=pretrained:tetrominoes_small is not used: figure9 needs runs of "
        "CLEVR6 only; figure13-15 needs no run"
    )
    assert outcome.out == ""
    assert not list(tmp_path.iterdir())


def test_a_run_that_exists_is_taken(reproduce):
    record, table, _, outcome = reproduce("figure4", "--run=Tetris=pretrained:tetrominoes_small")
    assert record["runs"]["Tetris"]["folder"] == "pretrained:tetrominoes_small"
    scores = [float(row["fg_ari"]) for row in table if row["data set"] == "Tetris"]
    assert min(scores) > 0.5  # trained for two steps it would be about 0
    assert "tetrominoes_small" not in outcome.err


def test_parts_without_data_are_told(reproduce):
    record, table, _, outcome = reproduce("figure11")
    assert [row["data set"] for row in table] == ["Textured MNIST"]
    assert "no data of imagenet/centre_crop" in record["not_run"]["ImageNet"]
    assert "not run: ImageNet: no data of imagenet/centre_crop" in outcome.out


def test_of_all_artifacts_those_without_data_are_left_out(program, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "ARTIFACTS", [catalogue.find("figure11")] * 2)
    flags = (f"--{name}={tmp_path}" for name in ("data_dir", "runs", "output"))
    outcome = program("reproduce", "--artifact=all", "--budget=smoke", *flags)
    assert outcome.code == 0
    assert outcome.out.count("not run: nothing of figure11 can be made: ") == 2


def test_the_page_of_traversals_is_written_where_asked_for(reproduce):
    _, _, folder, _ = reproduce("figure6", "--html")
    page = (folder / "figure6.html").read_text()
    assert page.count("data:image/png;base64,") > 4
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_finished_run_is_not_trained_again(reproduce):
    reproduce("figure4")
    outcome = reproduce("figure4", again=True)[-1]
    assert "training" not in outcome.out


def test_a_figure_is_found_where_it_is_one_of_several():
    assert catalogue.find("figure14").name == "figure13-15"
    assert catalogue.find("figure33").name == catalogue.find("figure40").name == "figure33-40"
    assert catalogue.find("figure19").name == "figure19"


def test_the_list_names_every_artifact(program, monkeypatch):
    # Counting the arithmetic takes a minute, and has its own test.
    monkeypatch.setattr(estimate, "hours", lambda config, rate: config.train.steps / 1e6)
    outcome = program("reproduce", "--list", "--budget=paper", "--runs=nowhere")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    names = [line.split()[0] for line in lines[1:-2]]
    assert names == [artifact.name for artifact in catalogue.ARTIFACTS]
    table1 = next(line for line in lines if line.startswith("table1"))
    assert table1.split()[1:4] == ["55", "(0", "done)"]
    assert "Tetris (tetrominoes/generated)" in table1
    total = next(line for line in lines if line.startswith("all"))
    assert total.split()[1] == "94"
    assert "counting the arithmetic: 94 of 94 trainings" in outcome.err


def test_the_list_of_an_artifact_says_what_each_of_its_places_trains(program, monkeypatch):
    monkeypatch.setattr(estimate, "hours", lambda config, rate: config.train.steps / 1e6)
    outcome = program("reproduce", "--list", "--artifact=table1", "--runs=nowhere")
    assert outcome.code == 0
    lines = {line.split("  ")[0]: line for line in outcome.out.splitlines()}
    steps = registry.preset("tetrominoes_fast").train.steps
    of_iodine = lines["IODINE on Tetris"]
    assert f"5 (0 done)  {5 * steps / 1e6:.1f} " in of_iodine
    assert of_iodine.endswith(f"tetrominoes_fast on tetrominoes/generated, {steps:,} steps")
    assert lines["MONet on CLEVR6"].endswith(
        "not run: MONet is not trained on CLEVR6 at --budget=cpu; monet_clevr6 on "
        "clevr/released_max6, 1,000,000 steps would take 1 hours a seed here"
    )
    assert lines["R-NEM on Tetris"].endswith("R-NEM is not trained on Tetris at --budget=cpu")


def test_what_is_trained_already_takes_no_more_hours(reproduce, program, folders, monkeypatch):
    monkeypatch.setattr(estimate, "hours", lambda config, rate: 7.0)
    reproduce("figure4")
    outcome = program("reproduce", "--list", "--budget=smoke", f"--runs={folders['runs']}")
    figure4 = next(line for line in outcome.out.splitlines() if line.startswith("figure4 "))
    assert figure4.split()[1:5] == ["2", "(2", "done)", "0.0"]


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ((), 1, "give --artifact=NAME"),
        (("--artifact=figure44",), 1, "unknown artifact 'figure44'; did you mean figure4; known:"),
        (("--artifact=table1", "--run=Tetris"), 1, "--run=Tetris is not TASK=RUN with TASK one of"),
        (("--artifact=table1", "--run=Tetris=nowhere"), 1, "run folder nowhere does not exist"),
        (("--artifact=table1", "--budget=huge"), 2, "--budget"),
        (("--artifact=table1", "--jobs=0"), 2, "--jobs"),
    ],
)
def test_mistakes_are_told_in_a_line(program, tmp_path, flags, code, message):
    outcome = program("reproduce", f"--data_dir={tmp_path}", *flags)
    assert outcome.code == code
    assert message in outcome.error()


@pytest.mark.slow
def test_trainings_side_by_side_end_as_one_after_the_other(program, folders, tmp_path):
    def read(run):
        _, model = checkpoints.load_model(str(run))
        return [variable.numpy() for variable in model.variables]

    flags = ("--artifact=table1", "--budget=smoke", f"--data_dir={folders['data_dir']}")
    for jobs in (1, 2):
        runs = tmp_path / f"runs{jobs}"
        outcome = program(
            "reproduce", *flags, f"--jobs={jobs}", f"--runs={runs}", f"--output={tmp_path}"
        )
        assert outcome.code == 0, outcome.err
    names = sorted(path.name for path in (tmp_path / "runs1").glob("*-seed*"))
    assert len(names) == 6
    assert names == sorted(path.name for path in (tmp_path / "runs2").glob("*-seed*"))
    for name in names:
        for one, other in zip(
            read(tmp_path / "runs1" / name), read(tmp_path / "runs2" / name), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-6)
