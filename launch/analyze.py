"""`iodine-analyze --run=RUN STUDY`: looks into the model of any run.

STUDY is one of
  probe       how well a linear layer reads the true factors of objects from latents (Figure 5)
  disentangle whether single latents stand for single factors: DCI, a number beside Figure 6
  traverse    what single latents of one slot do to a scene (Figure 6)
  project     latents of objects in the plane, by PCA and t-SNE (Figures 24 to 29)
  iterate     how a scene is taken apart over the iterations, and curves of all (Figures 7 and 8)
  reread      how many ways there are in which one image is taken apart (Figure 10)
  sample      scenes drawn from the prior
Each leaves pictures, a CSV and a JSON file named like it in --output.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from absl import flags

import iodine
from iodine.api.images import as_batch
from iodine.datasets import catalogue, pipelines, reading
from iodine.errors import UserError
from iodine.launch import app
from iodine.studies import disentangle, iterate, probe, project, reread, sample, traverse
from iodine.studies.findings import Findings, write
from iodine.studies.subject import Subject

_RUN = flags.DEFINE_string(
    "run", None, "Folder of a run, or pretrained:NAME for weights of the package.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data sets, as given to iodine-data."
)
_DATASET = flags.DEFINE_string(
    "dataset", None, "Data set to look at; by default the one that the run was trained on."
)
_SPLIT = flags.DEFINE_string("split", "test", "Split of the data set.")
_IMAGE = flags.DEFINE_multi_string(
    "image", [], "Instead of --data_dir: a PNG or JPEG of any size; may be given several times."
)
_NUM_IMAGES = flags.DEFINE_integer(
    "num_images",
    None,
    "Images from the start of the split; by default 1,000 for probe and disentangle, 300 for "
    "project, 320 for iterate, 64 for traverse, or all if there are fewer.",
    lower_bound=1,
)
_SCENE = flags.DEFINE_integer(
    "scene", 0, "Number of the image that traverse, iterate and reread show.", lower_bound=0
)
_NUM_LATENTS = flags.DEFINE_integer("num_latents", 6, "Latents that traverse moves.", lower_bound=1)
_NUM_RUNS = flags.DEFINE_integer("num_runs", 50, "Times that reread reads.", lower_bound=2)
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 8, "Scenes that sample draws.", lower_bound=1)
_NUM_SLOTS = flags.DEFINE_integer(
    "num_slots", None, "Number of slots K; by default as trained.", lower_bound=1
)
_NUM_ITERATIONS = flags.DEFINE_integer(
    "num_iterations",
    None,
    "Number of iterations T; by default the configuration's model.num_iterations.",
    lower_bound=1,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the latent samples.", lower_bound=0, upper_bound=2**31 - 1
)
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ("latest", "best"), "Newest weights, or best by validation loss."
)
_OUTPUT = flags.DEFINE_string("output", "output/analysis", "Folder to write to.")

_BATCH = 64


class _Study(NamedTuple):
    make: Callable[[Subject], Findings]
    num_images: int  # by default; 0 if it needs none


def _reread(subject: Subject) -> Findings:
    """With the valid readings where the data know them."""
    block_size = None
    if any("readings" in batch.get("factors", ()) for batch in subject.batches):
        block_size = catalogue.find(_dataset(subject.model))[1].block_size
    return reread.study(subject, _SCENE.value, _NUM_RUNS.value, block_size)


STUDIES: Mapping[str, _Study] = {
    "probe": _Study(probe.study, 1_000),
    "disentangle": _Study(disentangle.study, 1_000),
    "traverse": _Study(lambda s: traverse.study(s, _SCENE.value, _NUM_LATENTS.value), 64),
    "project": _Study(project.study, 300),
    "iterate": _Study(lambda s: iterate.study(s, _SCENE.value), 320),
    "reread": _Study(_reread, 1),
    "sample": _Study(lambda s: sample.study(s, _NUM_SAMPLES.value), 0),
}


def main(name: str) -> None:
    """Reads the flags, loads model and images, makes the study of this name and writes it."""
    of = STUDIES[name]
    if of.num_images and bool(_IMAGE.value) == bool(_DATA_DIR.value):
        raise UserError("give either --data_dir=DIR, or --image=FILE once or more")
    model = iodine.load(_RUN.value, _CHECKPOINT.value)
    if model.spec.num_frames is not None:
        raise UserError(f"{_RUN.value} is a model of clips; give a run of a model of single images")
    batches, source = _images(model, of.num_images)
    sizes = (_NUM_SLOTS.value, _NUM_ITERATIONS.value)
    findings = of.make(Subject(model, batches, _SEED.value, *sizes))
    record = {
        "study": name,
        "run": _RUN.value,
        "images": source,
        "seed": _SEED.value,
        "num_slots": _NUM_SLOTS.value or model.spec.num_slots,
        "num_iterations": _NUM_ITERATIONS.value or model.spec.num_iterations,
        "version": iodine.__version__,
    }
    note = f"{name} of {_RUN.value} on {source}" if source else f"{name} of {_RUN.value}"
    paths = write(findings, pathlib.Path(_OUTPUT.value), name, note, record)
    print(findings.summary)
    print(f"written to {', '.join(map(str, paths))}")


def _dataset(model: iodine.Model) -> str:
    return _DATASET.value or model.config.data.dataset


def _images(model: iodine.Model, usual: int) -> tuple[list[dict[str, Any]], str]:
    """Batches of what is looked at, and what that is."""
    if not usual:
        return [], ""
    if _IMAGE.value:
        batch = as_batch(_IMAGE.value, model.image_size)
        for path, note in zip(_IMAGE.value, batch.notes, strict=True):
            if note:
                print(f"{path}: {note}")
        return [{"image": batch.images}], ", ".join(_IMAGE.value)
    name, split, data_dir = _dataset(model), _SPLIT.value, _DATA_DIR.value
    with pipelines.readable(data_dir, name):
        count = _NUM_IMAGES.value
        if count is None:
            available = reading.num_examples(pipelines.open_dataset(data_dir, name), split)
            count = min(max(usual, _SCENE.value + 1), available)
        batches = pipelines.evaluation_batches(data_dir, name, split, _BATCH, count)
        return list(
            batches.as_numpy_iterator()
        ), f"{count} scene{'s' * (count != 1)} of {name}, {split}"


def run() -> None:
    """Entry point of `iodine-analyze`."""
    app.run(main, commands=tuple(STUDIES))


if __name__ == "__main__":
    run()
