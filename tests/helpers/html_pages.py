"""Reading HTML pages as files."""

import base64
import html.parser
import io
import json
import re

import numpy as np
from PIL import Image


class Elements(html.parser.HTMLParser):
    """The tags with their attributes, and the text of each kind of tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self._open = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data):
        self.texts.setdefault(self._open, []).append(data)


def elements(path):
    return Elements(path.read_text(encoding="utf-8"))


def data_of(path):
    """What the page's script reads."""
    return json.loads(elements(path).texts["script"][0])


def as_bytes(picture):
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def pixels(address):
    """Of a PNG that lies within a page."""
    kind, _, encoded = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def assert_needs_nothing_else(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"""https?:|["'(=]//|@import|url\(""", text)
    for tag, attributes in Elements(text).tags:
        assert "src" not in attributes
        assert tag != "link" or attributes["href"] == "data:,"
    assert "{{" not in text
