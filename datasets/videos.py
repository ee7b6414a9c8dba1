"""Reading a user's own videos: folders of frames, GIFs, and what FFmpeg can read.

GIFs and frames are read by Pillow, all else by PyAV, which is the optional extra `[video]`.
"""

import contextlib
import functools
import pathlib
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
from PIL import Image

from iodine.datasets import pictures
from iodine.errors import UserError, first_line

FRAME_SUFFIXES = (".png", ".jpg", ".jpeg")
GIF_SUFFIX = ".gif"
FILE_SUFFIXES = (GIF_SUFFIX, ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")

_GIF_END = b";"
_ORIENTATION = 0x0112  # in EXIF
_LYING = (5, 6, 7, 8)  # of orientations: height and width change places

# A frame that is cropped and resized to the given side when it is asked for.
_Frame = Callable[[int], pictures.Picture]


def find_videos(folder: str) -> list[pathlib.Path]:
    """The videos of a folder in the order of their names, numbers in these by value.

    Each is a file of one of `FILE_SUFFIXES`, or a subfolder with frames, PNG or JPEG.

    Raises:
      UserError: if it is no folder, or holds none.
    """
    try:
        entries = [entry for entry in pathlib.Path(folder).iterdir() if entry.name[0] != "."]
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"no such folder: {folder}; check --source") from None
    videos = [
        entry for entry in entries if entry.suffix.lower() in FILE_SUFFIXES or find_frames(entry)
    ]
    if not videos:
        hint = "of each video into a subfolder of its own" if find_frames(folder) else "there"
        raise UserError(
            f"{folder} holds no videos ({', '.join(FILE_SUFFIXES)}, or subfolders of PNG or JPEG "
            f"frames); put {'the frames' if find_frames(folder) else 'some'} {hint}"
        )
    return sorted(videos, key=_natural)


def find_frames(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """The frames of a folder in the order of their names, numbers in these by value."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return []
    paths = [path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES]
    return sorted((path for path in paths if path.name[0] != "."), key=_natural)


def num_frames(video: pathlib.Path) -> int:
    """How many frames a video has; all of it is looked through.

    Raises:
      UserError: naming the video, if it cannot be read, has one frame only or is cut off, or if its
        frames differ in size.
    """
    stat = video.stat()
    count = _num_frames(video, stat.st_size, stat.st_mtime_ns)
    if count < 2:
        raise UserError(f"{video} has {count} frame; a clip needs at least two: leave it out")
    return count


def read(video: pathlib.Path, side: int, start: int, stop: int) -> Iterator[np.ndarray]:
    """Yields frames `start` to `stop - 1`, cropped to their centre square and resized to `side`.

    Each is uint8 `[side, side, 3]`. As of pictures, transparent parts become black, and what a
    camera held otherwise has recorded is turned upright.

    Raises:
      UserError: naming the video, if it cannot be read.
    """
    with contextlib.closing(_frames(video)) as frames:
        for number, frame in enumerate(frames):
            if number >= stop:
                return
            if number >= start:
                yield frame(side).pixels


@functools.lru_cache(maxsize=100_000)
def _num_frames(video: pathlib.Path, *_identity: int) -> int:
    if not video.is_dir():
        return sum(1 for _ in _frames(video))
    paths = find_frames(video)
    if not paths:
        raise UserError(f"{video} is a folder without frames; remove it")
    first = _upright_size(paths[0])
    for path in paths[1:]:
        size = _upright_size(path)
        if size != first:
            raise _other_size(path, size, first)
    return len(paths)


def _frames(video: pathlib.Path) -> Generator[_Frame, None, None]:
    if video.is_dir():
        return (functools.partial(pictures.read_picture, path) for path in find_frames(video))
    return _gif_frames(video) if video.suffix.lower() == GIF_SUFFIX else _file_frames(video)


def _gif_frames(path: pathlib.Path) -> Generator[_Frame, None, None]:
    try:
        with pictures.opened(path, formats=("GIF",)) as image:
            for number in range(image.n_frames):
                image.seek(number)
                image.load()
                yield functools.partial(pictures.from_image, image)
        if not path.read_bytes().rstrip(b"\0").endswith(_GIF_END):  # Pillow takes what there is
            raise UserError(f"{path} is cut off: it does not end as a GIF does")
    except pictures.UNREADABLE as error:
        raise UserError(f"{path} cannot be read as a GIF: {first_line(error)}") from None


def _file_frames(path: pathlib.Path) -> Generator[_Frame, None, None]:
    av = _pyav(path)
    count, size = 0, None
    try:
        # What looks like a playlist is not to have other files read, or the network.
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise UserError(f"{path} has no pictures, only sound or text; leave it out")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise UserError(f"{path} cannot be read as a video: of a kind that is not known")
            if stream.width * stream.height > pictures.MAX_PIXELS:
                raise UserError(f"{path} has frames of more than {pictures.MAX_PIXELS:,} pixels")
            for frame in container.decode(stream):
                size = size or (frame.width, frame.height)
                if size != (frame.width, frame.height):
                    raise _other_size(f"frame {count} of {path}", (frame.width, frame.height), size)
                count += 1
                yield functools.partial(_upright, frame)
            announced = stream.frames  # 0 where the file does not say
    except (av.FFmpegError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a video: {first_line(error)}") from None
    if count < announced:
        raise UserError(f"{path} is cut off: {count} of its {announced} frames can be read")
    if not count:
        raise UserError(f"{path} cannot be read as a video: it has no frames")


def _upright(frame: Any, side: int) -> pictures.Picture:
    turned = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    return pictures.from_image(Image.fromarray(np.ascontiguousarray(turned)), side)


def _pyav(path: pathlib.Path) -> Any:
    try:
        import av  # an extra
    except ImportError as error:
        raise UserError(
            f'reading {path} needs PyAV ({error}); get it with: pip install "iodine-tf2[video]"'
        ) from None
    return av


def _upright_size(path: pathlib.Path) -> tuple[int, int]:
    """Width and height, from the file's header."""
    try:
        with pictures.opened(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) in _LYING
            return image.size[::-1] if turned else image.size
    except pictures.UNREADABLE as error:
        raise UserError(f"{path} cannot be read as a PNG or JPEG picture: {error}") from None


def _other_size(what: Any, size: tuple[int, int], first: tuple[int, int]) -> UserError:
    return UserError(
        f"{what} is {size[0]} x {size[1]} pixels, but the frames before it are {first[0]} x "
        f"{first[1]}; make them the same size"
    )


def _natural(path: pathlib.Path) -> list[Any]:
    """A key by which frame 9 comes before frame 10."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]
