"""`iodine-decompose`: takes pictures apart and draws what each slot holds.

For each image it writes NAME_decomposition.png and NAME.npz; for all, overview.png with the first
64 images and iterations.png with the first one over the iterations. With --html also viewer.html, a
page to look into the same 64 images with.

Of a model of clips it writes for each clip NAME_clip.png in the layout of Figure 12, NAME_clip.gif
and NAME.npz.
"""

import operator
import pathlib
from collections.abc import Iterator

import numpy as np
from absl import flags

import iodine
from iodine.config import Config
from iodine.datasets import pipelines
from iodine.datasets.pictures import read_picture
from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.figures import decomposition_page
from iodine.figures import decompositions as plots
from iodine.launch import app, decomposed_clips
from iodine.launch.naming import check_overwrites_none, unique_stems
from iodine.models.interface import SceneModel

_RUN = flags.DEFINE_string(
    "run", None, "Folder of a run, or pretrained:NAME for weights of the package.", required=True
)
_IMAGE = flags.DEFINE_multi_string(
    "image", [], "A PNG or JPEG of any size; may be given several times."
)
_CLIP = flags.DEFINE_multi_string(
    "clip",
    [],
    "For models of clips: a GIF, a folder of PNG or JPEG frames, or a video that FFmpeg reads (MP4 "
    "and others, with the extra [video]); of any size; may be given several times.",
)
_NUM_FRAMES = flags.DEFINE_integer(
    "num_frames", None, "With --clip: the first so many frames; all by default.", lower_bound=2
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    None,
    "Folder of the data sets: decomposes test scenes instead of --image or --clip.",
)
_NUM_IMAGES = flags.DEFINE_integer(
    "num_images", 8, "Number of test scenes or clips, with --data_dir.", lower_bound=1
)
_OUTPUT = flags.DEFINE_string("output", "output/decomposed", "Folder for the pictures and arrays.")
_NUM_SLOTS = flags.DEFINE_integer(
    "num_slots", None, "Number of slots K; by default as trained.", lower_bound=1
)
_NUM_ITERATIONS = flags.DEFINE_integer(
    "num_iterations",
    None,
    "Number of iterations T; by default the configuration's model.num_iterations.",
    lower_bound=1,
)
_FIRST_FRAME = flags.DEFINE_integer(
    "first_frame",
    1,
    "Of clips: where pictures begin. Frame 0 is predicted from nothing.",
    lower_bound=0,
)
_HTML = flags.DEFINE_bool(
    "html", False, "Also write viewer.html: a page with scenes, iterations and slots to choose."
)
_TRAVERSALS = flags.DEFINE_integer(
    "traversals",
    0,
    "With --html: how many latents of every slot the page has sliders for; those with most KL.",
    lower_bound=0,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the latent samples.", lower_bound=0, upper_bound=2**31 - 1
)
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ("latest", "best"), "Newest weights, or best by validation loss."
)


# Images at a time; the noise is the same for every image, so that this changes memory only.
_CHUNK = 64

Chunk = tuple[list[str], np.ndarray]  # names and float32 [B, H, W, 3] in [0, 1]


def main() -> None:
    """Reads the flags, decomposes, writes a PNG and an .npz for each image, and an overview."""
    if sum(map(bool, (_IMAGE.value, _CLIP.value, _DATA_DIR.value))) != 1:
        raise UserError("give either --image=FILE or --clip=FILE, once or more, or --data_dir=DIR")
    model = iodine.load(_RUN.value, _CHECKPOINT.value)
    if _TRAVERSALS.value and not _HTML.value:
        raise UserError("--traversals makes sliders for the page of --html; give that too")
    decomposition_page.check_movable(model.scene_model, _TRAVERSALS.value)
    folder = pathlib.Path(_OUTPUT.value)
    if model.spec.num_frames is not None:
        decompose_clips(model.config, model.scene_model, folder)
    else:
        decompose_images(model, folder)


def decompose_clips(config: Config, model: SceneModel, folder: pathlib.Path) -> None:
    """Decomposes what the flags name with a model of clips."""
    if _IMAGE.value:
        raise UserError(f"{_RUN.value} is a model of clips; give --clip instead of --image")
    for flag in (_HTML, _NUM_ITERATIONS):
        if flag.value:
            raise UserError(f"--{flag.name} is not for models of clips; leave it out")
    if _CLIP.value:
        side = model.spec.image_shape[0]
        chunks = decomposed_clips.read(_CLIP.value, side, folder, _NUM_FRAMES.value)
    else:
        chunks = read_scenes(config, _DATA_DIR.value, _NUM_IMAGES.value, decomposed_clips.CHUNK)
    num_written = decomposed_clips.decompose(
        model, chunks, folder, _SEED.value, _NUM_SLOTS.value, _FIRST_FRAME.value
    )
    print(f"{num_written} clips written to {folder}, each as a figure, an animation and arrays")


def decompose_images(model: iodine.Model, folder: pathlib.Path) -> None:
    """Decomposes what the flags name with a model of single images."""
    if _CLIP.value:
        raise UserError(f"{_RUN.value} is a model of single images; give --image instead of --clip")
    if _IMAGE.value:
        images = read_images(_IMAGE.value, model.image_size)
        written = {"overview.png", "iterations.png", *(f"{n}_decomposition.png" for n in images)}
        check_overwrites_none(_IMAGE.value, folder, written)
        chunks = in_chunks(images)
        print(
            f"{_RUN.value} was trained on {model.config.data.dataset}; pictures unlike those are "
            "not taken apart well"
        )
    else:
        chunks = read_scenes(model.config, _DATA_DIR.value, _NUM_IMAGES.value)
    num_written = 0
    for names, batch in chunks:
        folder.mkdir(parents=True, exist_ok=True)
        found = model.decompose(
            batch, _NUM_SLOTS.value, _NUM_ITERATIONS.value, _SEED.value, all_iterations=True
        )
        results = list(found.iterations)
        write_images(folder, names, batch, results[-1])
        if num_written == 0:
            write_overview(folder, batch, results)
            if _HTML.value:
                write_viewer(folder, names, batch, results, model.scene_model)
        num_written += len(names)
    print(f"{num_written} decompositions written to {folder}; see {folder / 'overview.png'}")


def read_images(paths: list[str], side: int) -> dict[str, np.ndarray]:
    """The pictures as float32 [H, W, 3] in [0, 1] by a name that is unique among them."""
    images = {}
    for path, name in zip(paths, unique_stems(paths), strict=True):
        picture = read_picture(path, side)
        if picture.note:
            print(f"{path}: {picture.note}")
        images[name] = picture.pixels.astype(np.float32) / 255
    return images


def in_chunks(images: dict[str, np.ndarray]) -> Iterator[Chunk]:
    """The pictures, at most `_CHUNK` at a time."""
    for start in range(0, len(images), _CHUNK):
        names = list(images)[start : start + _CHUNK]
        yield names, np.stack([images[name] for name in names])


def read_scenes(
    config: Config, data_dir: str, num_images: int, chunk_size: int = _CHUNK
) -> Iterator[Chunk]:
    """The first test scenes of the run's data set, so many at a time."""
    name = config.data.dataset
    num_read = 0
    with pipelines.readable(data_dir, name):
        batches = pipelines.evaluation_batches(data_dir, name, "test", chunk_size, num_images)
        for batch in batches.as_numpy_iterator():
            images = batch["image"]
            yield [f"test_{num_read + i:04d}" for i in range(len(images))], images
            num_read += len(images)


def write_images(
    folder: pathlib.Path, names: list[str], images: np.ndarray, result: inference.Decomposition
) -> None:
    """Writes NAME_decomposition.png and NAME.npz for each image."""
    arrays = result.each(np.asarray)
    for i, name in enumerate(names):
        one = arrays.each(operator.itemgetter(slice(i, i + 1)))
        figure = plots.decomposition_figure(images[i : i + 1], one)
        plots.save(figure, folder / f"{name}_decomposition.png")
        fields = {key: x[0] for key, x in one._asdict().items() if x is not None}
        np.savez_compressed(folder / f"{name}.npz", image=images[i], **fields)


def write_overview(
    folder: pathlib.Path, images: np.ndarray, results: list[inference.Decomposition]
) -> None:
    """Writes `overview.png` of the images, `iterations.png` of the first one."""
    plots.save(plots.decomposition_figure(images, results[-1]), folder / "overview.png")
    plots.save(plots.iterations_figure(images[0], results), folder / "iterations.png")


def write_viewer(
    folder: pathlib.Path,
    names: list[str],
    images: np.ndarray,
    results: list[inference.Decomposition],
    model: SceneModel,
) -> None:
    """Writes `viewer.html` of as many of the images as a page can have, and says how many."""
    shape, num_slots = model.spec.image_shape, results[0].masks.shape[1]
    count = decomposition_page.affordable_scenes(shape, len(results), num_slots, _TRAVERSALS.value)
    first = [result.each(lambda field: field[:count]) for result in results]
    scenes = decomposition_page.page_scenes(
        model, names[:count], images[:count], first, _TRAVERSALS.value
    )
    page = folder / "viewer.html"
    decomposition_page.write_page(page, scenes, f"Decompositions by {_RUN.value}")
    print(f"page with {min(count, len(names))} of the images: {page}")


def run() -> None:
    """Entry point of `iodine-decompose`."""
    app.run(main)


if __name__ == "__main__":
    run()
