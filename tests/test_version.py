"""The version is said in one place."""

import importlib.metadata

import iodine


def test_version_is_that_of_the_installed_package():
    assert iodine.__version__ == importlib.metadata.version("iodine-tf2")
