"""IODINE (Greff et al., 2019) for TensorFlow 2 and Sonnet 2.

```python
import iodine

model = iodine.load("pretrained:tetrominoes_fast")  # or the folder of a run
result = model.decompose("picture.png")  # masks, components, latents: NumPy arrays
result.save("decomposition.png")
```
"""

import importlib
import importlib.metadata
import pathlib
from typing import TYPE_CHECKING, Any

from iodine import _quiet

if TYPE_CHECKING:
    from iodine.api.model import Model, load
    from iodine.api.result import Latents, Result, Scenes
    from iodine.errors import UserError

__all__ = ["Latents", "Model", "Result", "Scenes", "UserError", "__version__", "load"]

# Python that is started in a checkout finds this folder there before the installed package, with
# `datasets` and `launch` beside it instead of in it.
_ROOT = pathlib.Path(__file__).parents[1]
if not (_ROOT / "iodine" / "datasets").is_dir() and (_ROOT / "datasets").is_dir():
    __path__.append(str(_ROOT))

_quiet.import_tensorflow()

__version__ = importlib.metadata.version("iodine-tf2")

# Imported when they are asked for: a program needs less, and starts faster.
_PLACES = {
    "Latents": "iodine.api.result",
    "Model": "iodine.api.model",
    "Result": "iodine.api.result",
    "Scenes": "iodine.api.result",
    "UserError": "iodine.errors",
    "load": "iodine.api.model",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'iodine' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
