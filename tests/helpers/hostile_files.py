"""Small sound files of every format that the package reads, by their path in a folder."""

import functools
import gzip
import io
import json
import pathlib
import random
import zipfile

import av
import hostile_mutations as mutations
import numpy as np
import safetensors.numpy
from PIL import Image

from iodine.config import schema
from iodine.datasets import mnist_files
from iodine.serving import safetensors_file
from iodine.training import checkpoints

GOLDEN = pathlib.Path(__file__).parents[1] / "models" / "golden"

Files = dict[str, bytes]


def files_of(folder: pathlib.Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def golden(chance: random.Random) -> Files:
    run = chance.choice(sorted(path.name for path in GOLDEN.iterdir() if path.is_dir()))
    return golden_run(run)


@functools.cache
def golden_run(name: str) -> Files:
    files = files_of(GOLDEN / name)
    del files["example.npz"]
    return files


def configuration(chance: random.Random) -> Files:
    config = json.loads(golden(chance)["config.json"])
    if config["model"]["kind"] == "iodine" and chance.random() < 0.2:  # as version 0.3 wrote it
        config["objective"] = config["model"].pop("objective")
        del config["model"]["kind"]
        config["model"]["refine_after_last"] = chance.choice((True, False))
    return {"config.json": json.dumps(config).encode()}


def picture(chance: random.Random) -> Files:
    extra = {"exif": _orientation(chance)} if chance.random() < 0.5 else {}
    return {"picture.png": _one_picture(chance, **extra)}


def _one_picture(chance: random.Random, **extra: bytes) -> bytes:
    kind, mode = chance.choice(("PNG", "PNG", "JPEG")), chance.choice(("RGB", "L", "CMYK", "1"))
    if kind == "PNG":
        mode = chance.choice(("RGB", "RGBA", "L", "LA", "P", "1", "I;16"))
    rng = np.random.default_rng(chance.randrange(4))
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 2**16, (9, 12)).astype(np.uint16))
    else:
        pixels = rng.integers(0, 256, (9, 12, 3)).astype(np.uint8)
        image = Image.fromarray(pixels).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **extra)
    return buffer.getvalue()


def _orientation(chance: random.Random) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = chance.randrange(10)
    return exif.tobytes()


def folder_of_pictures(chance: random.Random) -> Files:
    """A folder of four pictures with label maps."""
    files = {}
    for index in range(4):
        files[f"{index}.png"] = _one_picture(chance)
        ids = np.random.default_rng(index).integers(0, 3, (9, 12)).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(ids).save(buffer, "PNG")
        files[f"labels/{index}.png"] = buffer.getvalue()
    return files


@functools.cache
def _video_files() -> dict[str, bytes]:
    rng, made = np.random.default_rng(0), {}
    images = [Image.fromarray(rng.integers(0, 256, (16, 24, 3)).astype(np.uint8)) for _ in range(4)]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=40)
    made["gif"] = buffer.getvalue()
    for kind, codec in (("mp4", "mpeg4"), ("avi", "mpeg4"), ("matroska", "mjpeg")):
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=kind) as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = images[0].size
            stream.pix_fmt = {"mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            for image in images:
                container.mux(stream.encode(av.VideoFrame.from_image(image)))
            container.mux(stream.encode())
        made[kind] = buffer.getvalue()
    return made


def video(chance: random.Random) -> Files:
    made = _video_files()
    return {"video": made[chance.choice(sorted(made))]}


@functools.cache
def _weights_file(name: str) -> Files:
    config, model = checkpoints.load_model(str(GOLDEN / name))
    arrays = {n: v.numpy() for n, v in safetensors_file.named_variables(model).items()}
    text = json.dumps(schema.to_dict(config))
    return {"config.json": text.encode(), safetensors_file.NAME: safetensors.numpy.save(arrays)}


def weights(chance: random.Random) -> Files:
    return _weights_file(chance.choice(("tetrominoes_small", "vae_tetrominoes")))


@functools.cache
def digits() -> Files:
    files = {}
    for number, images, labels in ((6, *mnist_files.FILES[:2]), (3, *mnist_files.FILES[2:])):
        for name, shape in ((images, (number, 28, 28)), (labels, (number,))):
            pixels = np.random.default_rng(number).integers(0, 10, shape).astype(np.uint8)
            sizes = b"".join(size.to_bytes(4, "big") for size in shape)
            files[name] = gzip.compress(bytes([0, 0, 8, len(shape)]) + sizes + pixels.tobytes(), 1)
    return files


def zip_file(chance: random.Random) -> Files:
    buffer = io.BytesIO()
    names = ["a/checkpoint", "b.index", *chance.sample(mutations.HOSTILE_STRINGS[3:5], 1)]
    with zipfile.ZipFile(buffer, "w", chance.choice((zipfile.ZIP_STORED, 8))) as archive:
        for name in names:
            archive.writestr(name, chance.randbytes(200))
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16  # a symbolic link
        archive.writestr(link, "/etc/passwd")
    return {"archive.zip": buffer.getvalue()}


def tf_config(chance: random.Random) -> Files:
    hosts = [f"host{i}:2222" for i in range(chance.randrange(1, 4))]
    values = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": 0}}
    return {"tf_config.json": json.dumps(values).encode()}
