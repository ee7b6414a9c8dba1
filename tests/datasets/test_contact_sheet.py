import numpy as np
from PIL import Image

from iodine.datasets.contact_sheet import contact_sheet


def test_cells_hold_image_and_masks(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 2, size=(2, 48, 32, 3)).astype(np.float32)
    labels = rng.integers(0, 3, size=(2, 1, 48, 32))
    mask = (labels == np.arange(3)[:, None, None]).astype(np.float32)
    contact_sheet({"image": image, "mask": mask}, str(tmp_path / "sheet.png"))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    height, width, gap = 3 * 48, 3 * 32, 4  # enlarged three times, to 96 pixels or more
    assert sheet.shape == (gap + 2 * (height + gap), gap + 4 * (width + gap), 3)
    assert (sheet[:gap] == 128).all()
    for row in range(2):
        top = gap + row * (height + gap)
        for column in range(4):
            left = gap + column * (width + gap)
            cell = sheet[top : top + height : 3, left : left + width : 3] / 255
            expected = image[row] if column == 0 else mask[row, column - 1][..., None]
            np.testing.assert_array_equal(cell, np.broadcast_to(expected, cell.shape))


def test_scenes_without_masks(tmp_path):
    contact_sheet({"image": np.ones((1, 96, 96, 3))}, str(tmp_path / "sheet.png"))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (104, 104, 3)
    assert (sheet[4:100, 4:100] == 255).all()


def test_images_without_masks_fill_rows(tmp_path):
    images = np.stack([np.full((96, 96, 3), value / 255, np.float32) for value in range(7)])
    contact_sheet({"image": images}, str(tmp_path / "sheet.png"))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (4 + 2 * 100, 4 + 4 * 100, 3)
    for index in range(7):
        row, column = divmod(index, 4)
        cell = sheet[4 + 100 * row :, 4 + 100 * column :][:96, :96]
        assert (cell == index).all()
    assert (sheet[104:, 304:] == 128).all()


def test_entities_that_no_scene_has_are_left_out_and_ignored_pixels_grey(tmp_path):
    mask = np.zeros((2, 5, 96, 96), np.float32)
    mask[:, 0] = 1
    mask[0, 2, :10], mask[0, 0, :10] = 1, 0
    mask[1, 0, 50:] = 0  # in no mask
    contact_sheet({"image": np.zeros((2, 96, 96, 3)), "mask": mask}, str(tmp_path / "sheet.png"))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[..., 0]
    assert sheet.shape == (4 + 2 * 100, 4 + 4 * 100)  # the image and entities 0 to 2
    cells = [[sheet[4 + 100 * r :, 4 + 100 * c :][:96, :96] for c in range(4)] for r in range(2)]
    np.testing.assert_array_equal(cells[0][1], 255 * mask[0, 0])
    np.testing.assert_array_equal(cells[0][2], 0)
    np.testing.assert_array_equal(cells[0][3], 255 * mask[0, 2])
    for column in (1, 2, 3):
        assert (cells[1][column][50:] == 128).all()
        assert (cells[1][column][:50] == (255 if column == 1 else 0)).all()


def test_sequences(tmp_path):
    """Two sequences of three frames: a row of frames, below it one of segmentations."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, size=(2, 3, 96, 96, 3)) / 255
    labels = rng.integers(0, 4, size=(2, 3, 1, 96, 96))  # 3 is no entity's
    mask = (labels == np.arange(3)[:, None, None]).astype(np.float32)
    contact_sheet({"image": image, "mask": mask}, str(tmp_path / "sheet.png"))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * (4 + 2 * 100), 4 + 3 * 100, 3)
    colors = np.array([(0, 0, 0), (230, 159, 0), (86, 180, 233), (128, 128, 128)])
    for number in range(2):
        for frame in range(3):
            both = sheet[204 * number :, 4 + 100 * frame :][:, :96]
            np.testing.assert_array_equal(both[4:100], np.round(image[number, frame] * 255))
            np.testing.assert_array_equal(both[104:200], colors[labels[number, frame, 0]])


def test_sequences_without_masks(tmp_path):
    """One's own videos: a row of frames each."""
    images = np.random.default_rng(0).integers(0, 256, size=(3, 2, 96, 96, 3))
    contact_sheet({"image": images / 255}, str(tmp_path / "sheet.png"))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (3 * (4 + 100), 4 + 2 * 100, 3)
    for number in range(3):
        for frame in range(2):
            cell = sheet[4 + 104 * number :, 4 + 100 * frame :][:96, :96]
            np.testing.assert_array_equal(cell, images[number, frame])
