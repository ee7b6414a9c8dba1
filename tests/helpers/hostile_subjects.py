"""What reads files of others' making: sound files, how they are damaged, and what then reads them.

Each reader is the function of the package that its programs call.
"""

import dataclasses
import functools
import json
import pathlib
import random
from collections.abc import Callable

import hostile_files as made
import hostile_mutations as mutations
import numpy as np
import released_files
import tensorflow as tf

from iodine.config import override
from iodine.datasets import mnist_files, pictures, pipelines, preparation, videos
from iodine.datasets.tetromino_generator import generate_scene
from iodine.datasets.tetrominoes import Tetrominoes
from iodine.models import registry
from iodine.models.iodine import released_checkpoints
from iodine.serving import download
from iodine.training import checkpoints
from iodine.training import run_folder as runs
from iodine.training.devices import cluster
from iodine.training.devices.strategy import choose_strategy
from iodine.training.trainer import Trainer

NOWHERE = "http://127.0.0.1:9/archive.zip"  # nobody listens
DATASET, SIZES = "tetrominoes/generated_small", {"num_train": 9, "num_validation": 2, "num_test": 4}
MINE = "image_folder/mine"
NUM_RECORDS = 3

Files = made.Files
Damage = Callable[[bytes, random.Random], bytes]


@dataclasses.dataclass(frozen=True)
class Subject:
    """One format: its sound files by their path in a folder, and the function that reads them."""

    name: str
    sound: Callable[[random.Random], Files]
    damages: dict[str, Damage]  # by how a path ends, tried in this order
    read: Callable[[pathlib.Path], object]
    share: int  # of 100 cases
    is_folder: bool = (
        True  # whether entries may be lost, or folders, links and strays be among them
    )

    def make(self, folder: pathlib.Path, chance: random.Random) -> str:
        """Writes the files, one or two of them damaged; says which and how."""
        files = dict(self.sound(chance))
        told = []
        for _ in range(chance.choice((1, 1, 1, 2))):
            ending = chance.choice(list(self.damages))
            path = chance.choice(sorted(p for p in files if p.endswith(ending)))
            files[path] = self.damages[ending](files[path], chance)
            told.append(path)
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        if self.is_folder and chance.random() < 0.15:
            told.append(_disturb(folder, chance.choice(sorted(files)), chance))
        return ", ".join(told)


def _disturb(folder: pathlib.Path, name: str, chance: random.Random) -> str:
    """Puts something else in the place of a file, or beside it."""
    path = folder / name
    kind = chance.choice(("lost", "empty", "folder", "loop", "dangling", "stray", "copy"))
    if kind in ("stray", "copy"):
        stray = chance.choice((f"{path.stem}_2", "ckpt-x", "ckpt-99999999999999999999", "\udcff"))
        content = path.read_bytes() if kind == "copy" else chance.randbytes(50)
        path.with_name(stray + path.suffix).write_bytes(content)
        return f"{kind} {stray!r} of {name}"
    path.unlink()
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "dangling":
        path.symlink_to("nothing")
    return f"{kind} {name}"


def _damage_config(content: bytes, chance: random.Random) -> bytes:
    try:
        return mutations.damage_json(content.decode(), chance)
    except (ValueError, RecursionError):  # damaged before
        return mutations.damage_bytes(content, chance)


@functools.cache
def _trainer() -> Trainer:
    config = override(
        registry.read_config(json.loads(made.golden_run("tetrominoes_small")["config.json"])),
        {"train.average_decay": 0.9},
    )
    return Trainer(config, choose_strategy("none"))


def _resume(folder: pathlib.Path) -> None:
    """As training goes on with a run, whichever of its checkpoints can still be read."""
    runs.check_same(folder, _trainer().config)
    saved = checkpoints.TrainingCheckpoints(folder, _trainer())
    if saved.restore():
        saved.go_back()


def _training(scratch: pathlib.Path) -> Callable[[random.Random], Files]:
    @functools.cache
    def sound() -> Files:
        folder = scratch / "training"
        saved = checkpoints.TrainingCheckpoints(folder, _trainer())
        runs.start_or_resume(folder, _trainer().config)
        for step in (0, 1):
            _trainer().optimizer.iterations.assign(step)
            saved.save()
            saved.save_if_best(1.0 - step)
        return made.files_of(folder)

    return lambda _: sound()


def _released_checkpoint(scratch: pathlib.Path) -> Callable[[random.Random], Files]:
    @functools.cache
    def sound() -> Files:
        rng = np.random.default_rng(0)
        arrays = {
            name: tf.constant(rng.normal(size=entry.shape), tf.float32)
            for name, entry in released_checkpoints.released_variables(_trainer().model).items()
        }
        folder = scratch / "released"
        folder.mkdir(parents=True)
        tf.raw_ops.SaveV2(
            prefix=str(folder / "model.ckpt-7"),
            tensor_names=list(arrays),
            shape_and_slices=[""] * len(arrays),
            tensors=list(arrays.values()),
        )
        (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
        return made.files_of(folder)

    return lambda _: sound()


def _import(folder: pathlib.Path) -> None:
    released_checkpoints.read_arrays(released_checkpoints.resolve_prefix(str(folder)))


def _released_file(scratch: pathlib.Path) -> Callable[[random.Random], Files]:
    @functools.cache
    def sound(compression: str) -> bytes:
        records = []
        for index in range(NUM_RECORDS):
            scene = generate_scene(0, "train", index, 35, 5)
            masks = np.uint8(255) * (scene["label_map"] == np.arange(4)[:, None, None])
            records.append(
                {
                    "image": scene["image"],
                    "mask": masks[..., None],
                    **{n: np.float32(scene["factors"][n]) for n in ("x", "y", "shape", "color")},
                    "visibility": scene["visibility"],
                }
            )
        path = scratch / f"released{compression}.tfrecords"
        released_files.write(path, records, compression)
        return path.read_bytes()

    return lambda chance: {"released.tfrecords": sound(chance.choice(("GZIP", "")))}


def _convert(folder: pathlib.Path) -> None:
    builder = Tetrominoes(config="released", data_dir=str(folder / "data"))
    scenes = builder.scenes("train", 0, NUM_RECORDS, str(folder / "released.tfrecords"))
    for scene in scenes:
        builder.encode(scene)


def _made_data(scratch: pathlib.Path) -> Callable[[random.Random], Files]:
    @functools.cache
    def sound(name: str) -> Files:
        folder, source = scratch / name / "data", scratch / name / "source"
        for path, content in made.folder_of_pictures(random.Random(0)).items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(content)
        given = {"settings": {"image_size": 8}, "source": str(source)}
        given = given if name == MINE else {"settings": SIZES}
        preparation.prepare(name, str(folder), **given)
        return {path: content for path, content in made.files_of(folder).items() if "/" in path}

    return lambda chance: sound(chance.choice((DATASET, MINE)))


def _read_data(folder: pathlib.Path) -> None:
    name = MINE if (folder / MINE).exists() else DATASET
    with pipelines.readable(str(folder), name):
        for in_memory in (True, False):
            batches = pipelines.training_batches(
                str(folder), name, batch_size=2, seed=0, in_memory=in_memory
            )
            next(iter(batches.take(1)))
        for _ in pipelines.evaluation_batches(str(folder), name, "test", 2):
            pass


def _read_picture(folder: pathlib.Path) -> None:
    pictures.read_picture(folder / "picture.png", 8)


def _make_of_folder(folder: pathlib.Path) -> None:
    given = {"settings": {"image_size": 8}, "source": str(folder)}
    preparation.prepare(MINE, str(folder / "made"), **given)


def _read_video(folder: pathlib.Path) -> None:
    path = folder / "video"
    is_gif = path.is_file() and path.read_bytes()[:3] == b"GIF"
    path.rename(path.with_suffix(".gif" if is_gif else ".mp4"))
    for video in videos.find_videos(str(folder)):
        for _ in videos.read(video, 8, 0, videos.num_frames(video)):
            pass


def _damage_safetensors(content: bytes, chance: random.Random) -> bytes:
    length = int.from_bytes(content[:8], "little")
    if chance.random() < 0.4 or len(content) < 8 + length:
        return mutations.damage_bytes(content, chance)
    header = _damage_config(content[8 : 8 + length], chance)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _read_digits(folder: pathlib.Path) -> None:
    mnist_files.read_all.cache_clear()
    mnist_files.read_all(tuple(str(folder / name) for name in mnist_files.FILES))


def _unpack(folder: pathlib.Path) -> None:
    download.fetch_zip(NOWHERE, folder)


def _parse_tf_config(folder: pathlib.Path) -> None:
    # An environment variable is what the system's encoding makes of its bytes.
    cluster.parse((folder / "tf_config.json").read_text(errors="surrogateescape"))


def all_subjects(scratch: pathlib.Path) -> dict[str, Subject]:
    """Every subject by its name; `scratch` is a folder for sound files made once."""
    index, data, png = (
        mutations.damage_checkpoint_index,
        mutations.damage_bytes,
        mutations.damage_png,
    )
    of_checkpoint = {".index": index, "-00001": data, "checkpoint": data}
    of_run = {"config.json": _damage_config, ".index": index, "-00001": data}
    of_weights = {"config.json": _damage_config, ".safetensors": _damage_safetensors}
    of_data = {"": data, ".json": _damage_config, "00001": mutations.damage_tfrecord}
    record = {"": mutations.damage_tfrecord}

    def load(folder: pathlib.Path) -> None:
        checkpoints.load_model(str(folder))

    subjects = (
        Subject(
            "configuration",
            made.configuration,
            {".json": _damage_config},
            runs.read_config,
            34,
        ),
        Subject("run", made.golden, of_run, load, 4),
        Subject("training", _training(scratch), of_run, _resume, 2),
        Subject("weights", made.weights, of_weights, load, 2),
        Subject("released checkpoint", _released_checkpoint(scratch), of_checkpoint, _import, 10),
        Subject("released TFRecord", _released_file(scratch), record, _convert, 4),
        Subject("data set", _made_data(scratch), of_data, _read_data, 1),
        Subject("picture", made.picture, {".png": png}, _read_picture, 22),
        Subject("folder of pictures", made.folder_of_pictures, {".png": png}, _make_of_folder, 2),
        Subject("video", made.video, {"": data}, _read_video, 6),
        Subject("MNIST", lambda _: made.digits(), {".gz": mutations.damage_gzip}, _read_digits, 4),
        Subject("zip file", made.zip_file, {".zip": data}, _unpack, 5),
        Subject(
            "TF_CONFIG",
            made.tf_config,
            {".json": _damage_config},
            _parse_tf_config,
            4,
            False,
        ),
    )
    return {subject.name: subject for subject in subjects}
