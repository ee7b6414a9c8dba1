"""The data sets by name, such as "tetrominoes/generated"."""

import difflib

from iodine.datasets.clevr import Clevr
from iodine.datasets.image_folder import ImageFolder
from iodine.datasets.imagenet import Imagenet
from iodine.datasets.movi import Movi
from iodine.datasets.multi_dsprites import MultiDsprites
from iodine.datasets.objects_room import ObjectsRoom
from iodine.datasets.scene_builder import SceneBuilder, SceneConfig
from iodine.datasets.shapes import Shapes
from iodine.datasets.tetrominoes import Tetrominoes
from iodine.datasets.textured_mnist import TexturedMnist
from iodine.datasets.video_folder import VideoFolder
from iodine.errors import UserError

BUILDERS: tuple[type[SceneBuilder], ...] = (
    Clevr,
    ImageFolder,
    Imagenet,
    Movi,
    MultiDsprites,
    ObjectsRoom,
    Shapes,
    Tetrominoes,
    TexturedMnist,
    VideoFolder,
)
_FREELY_NAMED = {ImageFolder.name: ImageFolder, VideoFolder.name: VideoFolder}


def entries() -> dict[str, tuple[type[SceneBuilder], SceneConfig]]:
    """Every data set: name to builder class and configuration."""
    return {
        f"{builder.name}/{config.name}": (builder, config)
        for builder in BUILDERS
        for config in builder.BUILDER_CONFIGS
    }


def names() -> str:
    """All names in one line, but those that options make of others: `listing` tells of these."""
    return ", ".join(name for name, (_, config) in entries().items() if not config.variant_of)


def find(name: str) -> tuple[type[SceneBuilder], SceneConfig]:
    """Builder class and configuration of a data set; UserError listing the known ones.

    Of an `image_folder/NAME` or `video_folder/NAME` the configuration holds no more than the name
    decides: its builder completes it.
    """
    known = entries()
    first, _, rest = name.partition("/")
    if first in _FREELY_NAMED:
        return _FREELY_NAMED[first], _FREELY_NAMED[first].named(rest)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}" if close else ""
        raise UserError(f"unknown data set {name!r}{hint}; known: {names()}")
    return known[name]
