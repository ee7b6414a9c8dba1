"""Coordinate channels."""

import numpy as np
import pytest

from iodine.errors import UserError
from iodine.models.parts.coordinates import coordinate_channels, num_coordinate_channels


def test_linear_is_column_then_row_from_minus_one_to_one():
    channels = coordinate_channels("linear", 3, 5)
    assert channels.shape == (1, 3, 5, 2)
    assert channels.dtype == np.float32
    x = [-1, -0.5, 0, 0.5, 1]
    for row, y in enumerate([-1, 0, 1]):
        np.testing.assert_allclose(channels[0, row], [[v, y] for v in x], atol=1e-7)


def test_linear_yx_is_row_then_column():
    swapped = coordinate_channels("linear_yx", 4, 7)
    np.testing.assert_array_equal(swapped, coordinate_channels("linear", 4, 7)[..., ::-1])
    assert swapped[0, 3, 0].tolist() == [1, -1]


@pytest.mark.parametrize("frequencies", [2, 3, 5])
def test_cosine_is_every_product_but_the_constant(frequencies):
    height, width = 4, 6
    channels = coordinate_channels("cosine", height, width, frequencies)
    assert channels.shape == (1, height, width, frequencies**2 - 1)
    for row in range(height):
        for column in range(width):
            x, y = column / (width - 1), row / (height - 1)
            expected = [
                np.cos(j * np.pi * x) * np.cos(i * np.pi * y)
                for j in range(frequencies)
                for i in range(frequencies)
            ][1:]
            np.testing.assert_allclose(channels[0, row, column], expected, atol=1e-6)


@pytest.mark.parametrize(("kind", "count"), [("linear", 2), ("linear_yx", 2), ("cosine", 15)])
def test_number_of_channels_is_known_without_an_image(kind, count):
    assert num_coordinate_channels(kind, 4) == count
    assert coordinate_channels(kind, 5, 5, 4).shape[-1] == count


def test_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="'polar'; known: linear, linear_yx, cosine"):
        coordinate_channels("polar", 4, 4)
