"""Pictures of clips, looked up in the layout and in the file that a reader of GIFs opens."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots
from iodine.figures import sequences

FRAMES, SLOTS, SIDE = 20, 3, 8


@pytest.fixture(scope="module")
def clip():
    """Frames whose brightness tells their number, predictions that are half as bright."""
    level = np.linspace(0, 1, FRAMES)[:, np.newaxis, np.newaxis, np.newaxis]
    frames = np.broadcast_to(level, (FRAMES, SIDE, SIDE, 3))
    labels = (np.arange(SIDE) + np.arange(FRAMES)[:, np.newaxis]) % SLOTS  # [F, W]
    masks = labels[:, np.newaxis, np.newaxis] == np.arange(SLOTS)[:, np.newaxis, np.newaxis]
    masks = np.broadcast_to(masks, (FRAMES, SLOTS, SIDE, SIDE)).astype(float)
    components = np.random.default_rng(0).random((FRAMES, SLOTS, SIDE, SIDE, 3))
    return frames, Decomposition(masks, components, frames / 2, None, None, None)


def test_rows_and_columns_are_those_of_figure_12(clip):
    frames, result = clip
    block = sequences.clip_block("a clip", frames, result)
    assert list(block.titles) == [str(f) for f in range(1, 17)]
    assert len(block.rows) == len(block.labels) == len(block.row_borders) == 3 + SLOTS
    assert all(len(row) == 16 for row in block.rows)
    for column, frame in enumerate(range(1, 17)):
        np.testing.assert_array_equal(block.rows[0][column], frames[frame])
        np.testing.assert_array_equal(block.rows[1][column], frames[frame] / 2)
        for slot in range(SLOTS):
            shown = block.rows[3 + slot][column]
            inside = result.masks[frame, slot] == 1
            colors = block.rows[2][column]
            np.testing.assert_array_equal(shown[inside], result.components[frame, slot][inside])
            np.testing.assert_array_equal(shown[~inside], 0)
            expected = np.broadcast_to(plots.slot_color(slot), colors[inside].shape)
            np.testing.assert_allclose(colors[inside], expected)
            np.testing.assert_array_equal(block.row_borders[3 + slot], plots.slot_color(slot))


@pytest.mark.parametrize(("first", "expected"), [(0, range(16)), (10, range(10, 20))])
def test_begins_where_it_is_told_and_ends_with_the_clip(clip, first, expected):
    block = sequences.clip_block("", *clip, first_frame=first)
    assert list(block.titles) == [str(f) for f in expected]
    assert len(block.rows[1]) == len(expected)


def test_figure_is_as_fine_as_its_pictures(clip, tmp_path):
    figure = sequences.clip_figure(*clip)
    assert len(figure.axes[0].images) == 16 * (3 + SLOTS)
    plots.save(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width == pytest.approx(300 * figure.get_figwidth(), abs=1)


def test_the_animation_is_read_back_as_it_was_drawn(clip, tmp_path):
    frames, result = clip
    pictures = sequences.animation(frames, result)
    assert pictures.shape[0] == FRAMES - 1
    sequences.save_animation(pictures, tmp_path / "clip.gif")
    with Image.open(tmp_path / "clip.gif") as file:
        assert file.info["loop"] == 0
        assert file.info["duration"] == 200
        read = np.stack([np.asarray(p.convert("RGB"), float) for p in ImageSequence.Iterator(file)])
    scale = pictures.shape[1] // SIDE
    assert scale * SIDE >= 160
    offsets = [i * (pictures.shape[1] + 4) + scale // 2 for i in range(3)]
    for i, frame in enumerate(range(1, FRAMES)):
        seen = [read[i, scale // 2, x : x + SIDE * scale : scale] / 255 for x in offsets]
        slots = result.masks[frame, :, 0].argmax(axis=0)
        expected = [
            frames[frame, 0],
            frames[frame, 0] / 2,
            np.stack([plots.slot_color(slot) for slot in slots]),
        ]
        np.testing.assert_allclose(seen, expected, atol=0.02)  # a GIF has 256 colours


def test_a_model_that_diverged_is_drawn(clip):
    frames, result = clip
    bad = result.each(lambda field: np.full_like(field, np.nan))
    sequences.clip_figure(frames, bad).draw_without_rendering()
    assert sequences.animation(frames, bad).dtype == np.uint8
