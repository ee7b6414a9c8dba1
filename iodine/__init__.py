"""IODINE (Greff et al., 2019) for TensorFlow 2 and Sonnet 2."""

import importlib.metadata

from iodine import _quiet

_quiet.import_tensorflow()

__version__ = importlib.metadata.version("iodine-tf2")
