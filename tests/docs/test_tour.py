"""The notebook runs from top to bottom, and says what its committed outputs say."""

import base64
import io
import pathlib
import re

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image

NOTEBOOK = pathlib.Path(__file__).parents[2] / "docs" / "tour.ipynb"
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The notebook as it comes out of a kernel of its own."""
    notebook = read()
    for cell in notebook.cells:
        cell.pop("outputs", None)
    folder = tmp_path_factory.mktemp("tour")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        patch.setenv("TMPDIR", str(folder))
        where = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(notebook, timeout=300, resources=where).execute()
    return notebook


def told(cell):
    """What a cell prints and returns as text; of a figure that it is one."""
    texts = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stdout":
            texts.append(output.text)
        elif "data" in output:
            is_figure = "image/png" in output.data
            texts.append("a figure\n" if is_figure else output.data["text/plain"])
    return "".join(texts)


def pictures(cell):
    data = [output.data for output in cell.get("outputs", []) if "data" in output]
    encoded = [item["image/png"] for item in data if "image/png" in item]
    return [Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB") for png in encoded]


def test_committed_outputs_are_those_of_a_fresh_run(fresh):
    """Words are the same, numbers nearly: other processors round otherwise."""
    committed = read().cells
    assert [cell.source for cell in committed] == [cell.source for cell in fresh.cells]
    count = 0
    for before, now in zip(committed, fresh.cells, strict=True):
        assert NUMBER.sub("#", told(before)) == NUMBER.sub("#", told(now))
        numbers = [np.array(NUMBER.findall(told(cell)), float) for cell in (before, now)]
        np.testing.assert_allclose(*numbers, rtol=0.03, atol=0.05)
        for old, new in zip(pictures(before), pictures(now), strict=True):
            assert (
                np.abs(np.float32(old.resize((64, 64))) - np.float32(new.resize((64, 64)))).mean()
                < 2
            )
            count += 1
    assert count >= 4


def test_it_shows_what_it_says(fresh):
    text = "".join(told(cell) for cell in fresh.cells)
    scores = {
        name: float(value)
        for name, value in re.findall(r"^(x|y|color) .*?([\d.]+) \+-", text, re.M)
    }
    assert set(scores) == {"x", "y", "color"}
    assert min(scores.values()) > 0.8
    assert "cropped from 300x210 to its centre 210x210, resized to 35x35" in text
    elbos = [int(number) for number in re.search(r"in nats: \[(.*)\]", text)[1].split(", ")]
    assert len(elbos) == 11
    assert elbos[-1] > elbos[0] + 1_000


def test_it_is_committed_run_in_order_without_noise():
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    streams = {output.get("name") for cell in cells for output in cell.outputs}
    assert streams <= {"stdout", None}
    assert NOTEBOOK.stat().st_size < 500_000
