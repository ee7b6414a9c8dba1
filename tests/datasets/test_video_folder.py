"""One's own videos: what is read of them, how they are cut, and what is wrong with them."""

import builtins
import pathlib
import struct

import numpy as np
import pytest
from PIL import Image

from iodine.datasets import catalogue, pipelines, preparation, video_folder, videos
from iodine.errors import UserError

NAME = "video_folder/mine"
COLORS = np.array([(250, 10, 10), (10, 250, 10), (10, 10, 250), (240, 240, 20), (0, 0, 0)])


def drawn(num_frames, height=16, width=16, first=0):
    """Frames of quarters; each quarter's colour goes on from frame to frame."""
    quarters = np.array([[0, 1], [2, 3]]).repeat(height // 2, axis=0).repeat(width // 2, axis=1)
    return [
        COLORS[(quarters + first + frame) % len(COLORS)].astype(np.uint8)
        for frame in range(num_frames)
    ]


def write_frames(folder, frames, suffix="png"):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):  # 10 is after 9, though its name sorts before
        Image.fromarray(frame).save(folder / f"{number}.{suffix}")


def write_gif(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=40, disposal=1)


def write_file(path, frames, codec="ffv1", pixel_format="bgr0"):
    """A video by FFmpeg; of `ffv1` every pixel comes back as it was."""
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def prepare(folder, tmp_path, **settings):
    return preparation.prepare(
        NAME,
        str(tmp_path / "data"),
        settings={"image_size": 16, "num_frames": 4, **settings},
        source=str(folder),
        num_workers=1,
    )


def stored(tmp_path, split):
    batches = pipelines.evaluation_batches(str(tmp_path / "data"), NAME, split, 100)
    (batch,) = batches.as_numpy_iterator()
    assert set(batch) == {"image"}
    return np.rint(255 * batch["image"]).astype(np.uint8)


WRITERS = {"frames": write_frames, "clip.gif": write_gif, "clip.MKV": write_file}


@pytest.mark.parametrize("name", WRITERS)
def test_frames_come_back_as_they_were(tmp_path, name):
    frames = drawn(13)
    WRITERS[name](tmp_path / name, frames)
    assert videos.num_frames(tmp_path / name) == 13
    found = list(videos.read(tmp_path / name, 16, 0, 13))
    np.testing.assert_array_equal(found, frames)
    np.testing.assert_array_equal(list(videos.read(tmp_path / name, 16, 5, 7)), frames[5:7])


@pytest.mark.parametrize("name", WRITERS)
def test_cropped_to_the_centre_and_resized(tmp_path, name):
    frames = drawn(3, height=16, width=32)
    WRITERS[name](tmp_path / name, frames)
    found = list(videos.read(tmp_path / name, 8, 0, 3))
    np.testing.assert_array_equal(found, np.array(frames)[:, ::2, 8:24:2])


def test_lossy_videos(tmp_path):
    frames = drawn(6, 32, 32)
    write_file(tmp_path / "clip.mp4", frames, "mpeg4", "yuv420p")
    found = np.array(list(videos.read(tmp_path / "clip.mp4", 32, 0, 6))).astype(int)
    assert np.abs(found - frames).mean() < 12
    assert [int(np.abs(found[2] - frame).mean() < 30) for frame in frames] == [0, 0, 1, 0, 0, 0]


def test_a_telephone_that_was_held_upright(tmp_path):
    """The file's matrix says how its pictures are turned; it is written here by hand."""
    path = tmp_path / "clip.mp4"
    frames = drawn(3, 32, 64)
    write_file(path, frames, "mpeg4", "yuv420p")
    content = path.read_bytes()
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    clockwise = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    place = content.index(plain, content.index(b"tkhd"))
    path.write_bytes(content[:place] + clockwise + content[place + len(plain) :])
    (found, *_) = videos.read(path, 32, 0, 3)
    expected = np.rot90(frames[0][:, 16:48], -1)
    assert np.abs(found.astype(int) - expected).mean() < 12


def test_clips_follow_each_other_and_remainders_are_dropped(tmp_path):
    folder = tmp_path / "videos"
    write_frames(folder / "clip2", drawn(9))
    write_gif(folder / "clip10.gif", drawn(12, first=1))
    write_frames(folder / "clip1", drawn(4, first=3), "jpg")
    (folder / "notes.txt").write_text("no video")
    (folder / "empty").mkdir()
    builder, made = prepare(folder, tmp_path)
    assert made
    assert builder.builder_config.num_entities == 0
    assert [builder.settings[f"num_{s}"] for s in ("train", "validation", "test")] == [4, 1, 1]
    train = stored(tmp_path, "train")
    assert train.shape == (4, 4, 16, 16, 3)
    assert np.abs(train[0].astype(int) - drawn(4, first=3)).mean() < 20  # JPEG
    np.testing.assert_array_equal(train[1:3].reshape(8, 16, 16, 3), drawn(9)[:8])
    rest = [train[3:], stored(tmp_path, "validation"), stored(tmp_path, "test")]
    np.testing.assert_array_equal(np.concatenate(rest).reshape(12, 16, 16, 3), drawn(12, first=1))


def test_opened_again_without_the_source(tmp_path):
    folder = tmp_path / "videos"
    write_gif(folder / "a.gif", drawn(9))
    first, _ = prepare(folder, tmp_path, num_frames=3, image_size=12)
    (folder / "a.gif").unlink()
    builder = pipelines.open_dataset(str(tmp_path / "data"), NAME)
    assert builder.builder_config.num_frames == 3
    assert builder.builder_config.image_size == (12, 12)
    assert builder.settings == first.settings == builder.stored_settings
    assert preparation.prepare(NAME, str(tmp_path / "data"))[1] is False
    batches = pipelines.training_batches(str(tmp_path / "data"), NAME, batch_size=2, seed=0)
    assert batches.element_spec["image"].shape == (2, 3, 12, 12, 3)


def test_parts_of_a_split_are_read_on_their_own(tmp_path):
    """As several processes do."""
    folder = tmp_path / "videos"
    write_gif(folder / "a.gif", drawn(20))
    write_gif(folder / "b.gif", drawn(20, first=2))
    whole = video_folder.VideoFolder(
        config="mine",
        data_dir=str(tmp_path),
        settings={"image_size": 16, "num_frames": 4},
        source=str(folder),
    )
    parts = [
        scene["image"]
        for start, stop in ((0, 3), (3, 6), (6, 8))
        for scene in whole.scenes("train", start, stop, str(folder))
    ]
    expected = np.array(drawn(20) + drawn(20, first=2)[:12])
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_another_number_of_frames_and_a_changed_folder_are_refused(tmp_path):
    folder = tmp_path / "videos"
    write_frames(folder / "a", drawn(12))
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 1}
    prepare(folder, tmp_path, **sizes)
    with pytest.raises(UserError, match=r"--num_frames=4 .*, asked for is .*--num_frames=3"):
        prepare(folder, tmp_path, num_frames=3, **sizes)
    (folder / "a" / "11.png").unlink()
    Image.fromarray(drawn(1)[0][:, ::-1]).save(folder / "a" / "11.png", compress_level=0)
    with pytest.raises(UserError, match="videos is not as it was when video_folder/mine was made"):
        prepare(folder, tmp_path, **sizes)


def other_size(folder):
    Image.fromarray(drawn(1, 16, 20)[0]).save(folder / "v1" / "7.png")


def cut_off(folder):
    """As a copy that was interrupted leaves it: the index is there, the end is not."""
    av = pytest.importorskip("av")
    path = folder / "v3.mp4"
    noise = list(np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3)).astype(np.uint8))
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height = stream.width = 64
        stream.pix_fmt = "yuv420p"
        for frame in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def sound_only(folder):
    av = pytest.importorskip("av")
    with av.open(str(folder / "v3.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


MISTAKES = {
    "one frame": (
        lambda folder: write_frames(folder / "v3", drawn(1)),
        r"v3 has 1 frame; a clip needs at least two: leave it out",
    ),
    "one frame in a GIF": (
        lambda folder: write_gif(folder / "v3.gif", drawn(1)),
        r"v3\.gif has 1 frame; a clip needs at least two: leave it out",
    ),
    "too few frames": (
        lambda folder: write_gif(folder / "v3.gif", drawn(3)),
        r"v3\.gif has 3 frames, fewer than the 4 of a clip; leave it out or pass --num_frames=3",
    ),
    "frames of different sizes": (
        other_size,
        r"v1/7\.png is 20 x 16 pixels, but the frames before it are 16 x 16; make them the same",
    ),
    "a frame that is none": (
        lambda folder: (folder / "v1" / "3.png").write_bytes(b"hello"),
        r"v1/3\.png cannot be read as a PNG or JPEG picture",
    ),
    "a frame cut off": (
        lambda folder: (folder / "v1" / "3.png").write_bytes(
            (folder / "v1" / "3.png").read_bytes()[:-30]
        ),
        r"v1/3\.png cannot be read as a PNG or JPEG picture",
    ),
    "no GIF": (
        lambda folder: (folder / "v3.gif").write_bytes(b"hello"),
        r"v3\.gif cannot be read as a GIF",
    ),
    "a GIF cut off": (
        lambda folder: (folder / "v2.gif").write_bytes((folder / "v2.gif").read_bytes()[:-200]),
        r"v2\.gif is cut off",
    ),
    "no video": (
        lambda folder: (folder / "v3.mp4").write_bytes(b"hello " * 1000),
        r"v3\.mp4 cannot be read as a video: .*Invalid data",
    ),
    "an empty file": (
        lambda folder: (folder / "v3.mp4").write_bytes(b""),
        r"v3\.mp4 cannot be read as a video",
    ),
    "a picture": (
        lambda folder: Image.fromarray(drawn(1)[0]).save(folder / "v3.mpg", "PNG"),
        r"v3\.mpg has 1 frame; a clip needs at least two",
    ),
    "a video cut off": (cut_off, r"v3\.mp4 (is cut off: \d+ of its 12 frames|cannot be read as)"),
    "sound": (sound_only, r"v3\.mp4 has no pictures, only sound or text"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(tmp_path, change, message):
    if ".mp4" in message or ".mpg" in message:
        pytest.importorskip("av")
    folder = tmp_path / "videos"
    write_frames(folder / "v1", drawn(8))
    write_gif(folder / "v2.gif", drawn(8))
    change(folder)
    with pytest.raises(UserError, match=message) as error:
        prepare(folder, tmp_path)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "data").rglob("*tfrecord*"))


def test_folders_without_videos(tmp_path):
    with pytest.raises(UserError, match="no such folder: /nowhere; check --source"):
        prepare("/nowhere", tmp_path)
    with pytest.raises(UserError, match=r"holds no videos .*; put some there"):
        prepare(tmp_path, tmp_path)
    write_frames(tmp_path / "video", drawn(8))
    with pytest.raises(UserError, match="put the frames of each video into a subfolder of its own"):
        prepare(tmp_path / "video", tmp_path)
    with pytest.raises(UserError, match="holds 2 clips, but each of the three splits needs at lea"):
        prepare(tmp_path, tmp_path)
    with pytest.raises(UserError, match="pass --source=FOLDER_OF_VIDEOS"):
        preparation.prepare(NAME, str(tmp_path))


def test_without_pyav(tmp_path, monkeypatch):
    """Only what needs it asks for it."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "av":
            raise ImportError("No module named 'av'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    write_gif(tmp_path / "a.gif", drawn(8))
    assert videos.num_frames(tmp_path / "a.gif") == 8
    pathlib.Path(tmp_path, "b.mp4").write_bytes(b"anything")
    with pytest.raises(UserError, match=r'b\.mp4 needs PyAV .*: pip install "iodine-tf2\[video\]"'):
        videos.num_frames(tmp_path / "b.mp4")


@pytest.mark.parametrize("name", ["video_folder", "video_folder/a b", "video_folder/a/b"])
def test_names_that_cannot_be(name):
    with pytest.raises(UserError, match=r"needs a name of letters, digits and _ .*=video_folder/m"):
        catalogue.find(name)
