"""A model that diverges on some images: the others count, and how many did not is said."""

import csv
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from iodine.datasets import pipelines
from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.launch import training_jobs
from iodine.training import checkpoints
from iodine.training import run_folder as runs
from iodine.training.trainer import Trainer

GOOD = "pretrained:tetrominoes_small"
DATASET = "tetrominoes/generated_small"
NUM_IMAGES = 13


@pytest.fixture(scope="module")
def diverging(tmp_path_factory):
    """A run with the package's weights, but one: the network sees ten times the likelihood."""
    config, model = checkpoints.load_model(GOOD)
    name = "refinement_inputs/likelihood/scale:0"
    (scale,) = [v for v in model.trainable_variables if v.name.endswith(name)]
    scale.assign(10 * scale)
    folder = tmp_path_factory.mktemp("diverging") / "run"
    checkpoints.save_weights(model, config, folder)
    return folder


@pytest.fixture(scope="module")
def bad_images(diverging, tiny_data):
    """Which test images diverge, [N], one by one; some do and some do not."""
    _, model = checkpoints.load_model(str(diverging))
    bad = []
    scenes = pipelines.evaluation_batches(tiny_data, DATASET, "test", 1, NUM_IMAGES)
    for number, scene in enumerate(scenes.as_numpy_iterator()):
        steps = inference.infer_by_example(
            model, tf.constant(scene["image"]), tf.constant([number])
        )
        bad.append(not all(np.isfinite(step.log_likelihood) for step in steps))
    assert 0 < sum(bad) < NUM_IMAGES
    return np.array(bad)


def test_the_other_images_count_and_a_warning_says_so(
    program, diverging, bad_images, tiny_data, tmp_path
):
    outcome = program(
        *("evaluate", f"--run={diverging}", f"--data_dir={tiny_data}", f"--output={tmp_path}"),
        f"--num_images={NUM_IMAGES}",
    )
    assert outcome.code == 0, outcome.err
    (path,) = tmp_path.glob("evaluation*.json")
    summary = json.loads(path.read_text(), parse_constant=pytest.fail)  # no NaN in it
    arrays = np.load(path.with_suffix(".npz"))
    count = int(bad_images.sum())
    assert f"warning: the ELBO of {count} of {NUM_IMAGES} images is not finite" in outcome.err
    for name in ("fg_ari", "ari", "miou", "mse", "neg_elbo"):
        entry, last = summary[name], arrays[name][-1]
        assert (entry["num_images"], entry["num_diverged"]) == (NUM_IMAGES - count, count)
        assert entry["mean"] == pytest.approx(last[~bad_images].mean())
        over_all = None if name in ("mse", "neg_elbo") else last[~bad_images].sum() / NUM_IMAGES
        assert entry["mean_over_all"] == (over_all and pytest.approx(over_all))
    row = next(line for line in outcome.out.splitlines() if line.startswith("fg_ari"))
    entry = summary["fg_ari"]
    assert row.split()[1] == f"{entry['mean']:.4f}"
    assert row.split()[3] == f"{entry['mean_over_all']:.4f}"
    assert f"{count} diverged images left out of the means" in outcome.out


def test_table_1_with_such_a_run(program, diverging, tiny_data, tmp_path, monkeypatch):
    def not_here(*_):
        raise UserError("not trained here")

    monkeypatch.setattr(training_jobs, "train", not_here)
    outcome = program(
        *("reproduce", "--artifact=table1", "--budget=smoke", f"--data_dir={tmp_path / 'data'}"),
        *(f"--runs={tmp_path / 'runs'}", f"--output={tmp_path}"),
        *(f"--run=Tetris={GOOD}", f"--run=Tetris={diverging}"),
    )
    assert outcome.code == 0, outcome.err
    record = json.loads((tmp_path / "table1/table1.json").read_text(), parse_constant=pytest.fail)
    good, bad = record["numbers"]["runs"]["IODINE on Tetris"]
    assert good["images that diverged"] == 0
    assert good["fg_ari"] == good["fg_ari, all"]
    count = bad["images that diverged"]
    assert 0 < count < 16
    assert bad["fg_ari, all"] == pytest.approx(bad["fg_ari"] * (16 - count) / 16)
    with (tmp_path / "table1/table1.csv").open() as file:
        (row,) = [row for row in csv.DictReader(file) if row["data set"] == "Tetris"]
    scores = [[run[name] for run in (good, bad)] for name in ("fg_ari", "fg_ari, all")]
    mean, over_all = (f"{np.mean(s):.3f} +- {np.std(s):.3f}" for s in scores)
    said = f"{mean} (over all {over_all}: {count} image{'s' * (count > 1)} diverged)"
    assert row["IODINE"] == said
    assert said in outcome.out
    check_provenance(record, diverging)


def check_provenance(record, diverging):
    """The same record says where its figures come from."""
    told = record["provenance"]
    assert set(told) == {"evaluations", "data", "command", "versions", "device", "commit"}
    (data,) = told["data"].values()
    assert data["settings"] == {"num_train": 32, "num_validation": 8, "num_test": 64, "seed": 0}
    assert len(data["digest"]) == 64
    assert [e["run"] for e in told["evaluations"]] == [GOOD, str(diverging)]
    evaluation = told["evaluations"][1]
    assert evaluation["num_diverged"] > 0
    assert (evaluation["split"], evaluation["num_images"], evaluation["seed"]) == ("test", 16, 0)
    weights = {run["folder"]: run["weights"] for run in record["runs"].values()}
    assert weights[GOOD]["checkpoint"] == "checkpoints/ckpt-0"
    assert len({w["digest"] for w in weights.values()}) == 2


def test_a_seed_whose_training_diverged_counts_as_failed(program, tmp_path, monkeypatch):
    """Seed 1 of IODINE on Tetris ends as a training does that gives up; seed 0 as it began."""

    def train(config, folder, *_):
        if config.model.kind != "iodine" or config.data.dataset != DATASET:
            raise UserError("not trained here")
        place = pathlib.Path(folder)
        runs.start_or_resume(place, config)
        if config.train.seed == 1:
            runs.write_json(place / runs.DIVERGED, {"step": 3, "reason": "loss is nan"})
            raise UserError("training stopped: at step 3 loss is nan")
        trainer = Trainer(config, tf.distribute.get_strategy())
        trainer.optimizer.iterations.assign(config.train.steps)
        checkpoints.TrainingCheckpoints(place, trainer).save()

    monkeypatch.setattr(training_jobs, "train", train)
    outcome = program(
        *("reproduce", "--artifact=table1", "--budget=smoke", f"--data_dir={tmp_path / 'data'}"),
        *(f"--runs={tmp_path / 'runs'}", f"--output={tmp_path}"),
    )
    assert outcome.code == 0, outcome.err
    record = json.loads((tmp_path / "table1/table1.json").read_text())
    (cell,) = [c for c in record["numbers"]["summary"] if c["seeds that diverged"]]
    assert cell["runs"] == "1 of 2 seeds"
    assert cell["fg_ari, all"] == pytest.approx(cell["fg_ari"] / 2)
    assert "1 seed diverged)" in outcome.out
