"""What the HTML pages share: filling a template, and pictures as text.

A page is one file without server or network. Its template names what is put in: `{{title}}`,
`{{data}}`, and files beside it, such as `{{pages.css}}`.
"""

import base64
import html
import io
import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import matplotlib.colors
import numpy as np
from PIL import Image

from iodine.figures import decompositions as plots

_FOLDER = pathlib.Path(__file__).parent


def write(path: str | pathlib.Path, template: str, title: str, data: dict[str, Any]) -> None:
    """Fills a template and writes the page.

    Args:
        path: of the HTML file; its folder is made.
        template: a file beside this one.
        title: plain text.
        data: what the page's script reads, as JSON.
    """
    # "<" could end the script that holds the data.
    encoded = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    parts = {"title": html.escape(title), "data": encoded}

    def part(match: re.Match) -> str:
        name = match[1]
        return parts[name] if name in parts else (_FOLDER / name).read_text(encoding="utf-8")

    page = re.sub(r"\{\{([\w.]+)\}\}", part, (_FOLDER / template).read_text(encoding="utf-8"))
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def slot_colors(num_slots: int) -> list[str]:
    """The colours of slots in all our figures, as "#rrggbb"."""
    return [matplotlib.colors.to_hex(plots.slot_color(slot)) for slot in range(num_slots)]


def row(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures side by side; what does not change from one to the next compresses to nothing."""
    return np.concatenate(list(pictures), axis=1)


def table(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Rows of pictures of one size as one picture."""
    return np.concatenate([row(pictures) for pictures in rows])


def png(pixels: np.ndarray) -> str:
    """The address, within the page itself, of a PNG.

    Args:
        pixels: RGB [H, W, 3] or gray [H, W]; uint8, or in [0, 1] and clipped to it.
    """
    if pixels.dtype != np.uint8:
        pixels = np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
