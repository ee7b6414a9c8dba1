"""Small data sets, made once."""

import pytest

from iodine.datasets import preparation

SMALL = "tetrominoes/generated_small"
SIZES = {"num_train": 50, "num_validation": 7, "num_test": 11, "seed": 5}


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A folder that holds `SMALL` made with `SIZES`."""
    folder = str(tmp_path_factory.mktemp("data"))
    preparation.prepare(SMALL, folder, settings=SIZES)
    return folder
