"""The page of traversals: what is in the file, and what a browser shows of it."""

import base64
import html
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import types

import numpy as np
import pytest
import small_models
import tensorflow as tf
from PIL import Image

from iodine.analysis.traversals import Traversal
from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.figures import decompositions as plots
from iodine.figures import traversal_page
from iodine.figures.traversal_page import Scene
from iodine.models.interface import Spec
from iodine.models.registry import preset

SIDE, SLOTS, SCENES = 5, 3, 2
LATENTS, VALUES, NUM_LATENTS = (6, 0, 3), (-2.0, -0.5, 1.0, 2.5), 8
KL = np.array([2.0, 0, 0, 1.25, 0, 0, 4.0, 0])
BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome"),
    *("chrome-headless-shell", "chromium-headless-shell"),
)


def random_scene(seed):
    """Every picture differs from every other, and some go beyond [0, 1]."""
    generator = np.random.default_rng(seed)

    def pictures(*shape):
        return generator.uniform(-0.1, 1.1, size=(*shape, SIDE, SIDE, 3))

    by_slot = []
    for slot in range(SLOTS):
        shape = len(LATENTS), len(VALUES)
        masks = np.moveaxis(generator.dirichlet(np.ones(SLOTS), (*shape, SIDE, SIDE)), -1, 2)
        found = generator.uniform(-3, 3, size=len(LATENTS))
        latents, values = np.array(LATENTS), np.array(VALUES)
        by_slot.append(
            Traversal(slot, latents, values, found, pictures(*shape), pictures(*shape), masks)
        )
    return Scene(pictures(), pictures(SLOTS), by_slot)


ALL_SCENES = [random_scene(seed) for seed in range(SCENES)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "new" / "traversals.html"
    traversal_page.write_page(path, ALL_SCENES, KL, "Of </script> & <b>")
    return path


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


def as_bytes(picture):
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def pixels(address):
    kind, _, encoded = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def shown_by(traversal, latent, value):
    """Reconstruction, component and segmentation, as the page has to show them."""
    return (
        as_bytes(traversal.reconstructions[latent, value]),
        as_bytes(traversal.components[latent, value]),
        as_bytes(plots.segmentation(traversal.masks[latent, value])),
    )


def test_page_refers_to_nothing_outside(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""https?:|["'(=]//|@import|url\(""", text)
    for tag, attributes in Elements(text).tags:
        assert "src" not in attributes
        assert tag != "link" or attributes["href"] == "data:,"
    assert "{{" not in text


def test_title_is_text_and_cannot_end_the_script(page):
    elements = Elements(page.read_text(encoding="utf-8"))
    assert elements.texts["title"][0] == elements.texts["h1"][0] == "Of </script> & <b>"
    assert [tag for tag, _ in elements.tags].count("script") == 2


def test_controls_have_labels(page):
    """Those that the page is written with; the radio buttons lie within their labels."""
    tags = Elements(page.read_text(encoding="utf-8")).tags
    labelled = {a["for"] for tag, a in tags if tag == "label"}
    assert {a["id"] for tag, a in tags if tag == "input"} == labelled == {"value"}
    assert all(a["role"] == "img" for tag, a in tags if tag == "canvas")
    names = [tag for tag, _ in tags]
    assert names.count("fieldset") == names.count("legend") == 3


def test_pictures_in_the_page_are_exact(page):
    data = json.loads(Elements(page.read_text(encoding="utf-8")).texts["script"][0])
    for scene, stored in zip(ALL_SCENES, data["scenes"], strict=True):
        parts = np.concatenate([scene.image, *scene.components], axis=1)
        np.testing.assert_array_equal(pixels(stored["parts"]), as_bytes(parts))
        for traversal, slot in zip(scene.traversals, stored["slots"], strict=True):
            sprite = pixels(slot["sprite"])
            assert sprite.shape == (3 * len(LATENTS) * SIDE, len(VALUES) * SIDE, 3)
            tiles = sprite.reshape(len(LATENTS), 3, SIDE, len(VALUES), SIDE, 3)
            for latent, value in np.ndindex(len(LATENTS), len(VALUES)):
                for kind, picture in enumerate(shown_by(traversal, latent, value)):
                    np.testing.assert_array_equal(tiles[latent, kind, :, value], picture)
    assert [latent["kl"] for latent in data["latents"]] == [4.0, 2.0, 1.25]


def test_no_scenes_are_refused(tmp_path):
    with pytest.raises(UserError, match="at least one image"):
        traversal_page.write_page(tmp_path / "page.html", [], KL)


def test_scenes_hold_the_components_and_all_slots():
    model = small_models.build_model(small_models.small_config())
    images = small_models.random_images(2)
    result = inference.decompose_iterations(model, images)[-1]
    scenes = traversal_page.traverse_scenes(model, images.numpy(), result, (2, 0), VALUES)
    for b, scene in enumerate(scenes):
        np.testing.assert_array_equal(scene.image, images[b])
        np.testing.assert_allclose(
            scene.components.sum(axis=0), result.reconstruction[b], rtol=1e-5, atol=1e-6
        )
        assert [traversal.slot for traversal in scene.traversals] == [0, 1, 2]
        for slot, traversal in enumerate(scene.traversals):
            np.testing.assert_allclose(
                traversal.found, tf.gather(result.latent_mean[b, slot], (2, 0)), rtol=1e-6
            )


@pytest.mark.parametrize(
    ("name", "num_scenes", "expected"),
    [("tetrominoes_small", 4, 16), ("clevr6", 1, 12), ("clevr6", 4, 3), ("clevr6", 50, 3)],
)
def test_large_pages_have_fewer_latents(name, num_scenes, expected):
    config = preset(name)
    side, slots = config.data.image_size, config.model.num_slots
    spec = Spec((side, side, 3), config.model.latent_size, slots, 5, True, True)
    model = types.SimpleNamespace(spec=spec)
    assert traversal_page.affordable_latents(model, num_scenes, slots) == expected


# Does what a visitor does, and writes down what there is to see after each step.
VISIT = """
<pre id="seen"></pre>
<script>
(async () => {
  const pause = () => new Promise((resolve) => setTimeout(resolve, 10));
  const canvas = (element) => Array.from(
    element.getContext("2d").getImageData(0, 0, element.width, element.height).data);
  const text = (id) => document.getElementById(id).textContent;
  const click = (id) => () => document.getElementById(id).click();
  const slide = (value) => () => {
    const slider = document.getElementById("value");
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
  };
  const steps = [() => {}, slide(3), click("slot-2"), slide(0), click("latent-1"), slide(2),
    click("scene-1"), slide(1)];
  const seen = [];
  for (const step of steps) {
    step();
    do { await pause(); } while (document.querySelector("main").ariaBusy !== "false");
    seen.push({
      pictures: ["image", "reconstruction", "component", "segmentation"].map(
        (id) => canvas(document.getElementById(id))),
      thumbnails: Array.from(document.querySelectorAll("#slots canvas"), canvas),
      name: text("latent-name"), value: text("value-label"), found: text("found"),
      slider: document.getElementById("value").getAttribute("aria-valuetext"),
      described: document.getElementById("component").ariaLabel,
      border: getComputedStyle(document.getElementById("component")).borderTopColor,
      checked: Array.from(document.querySelectorAll(":checked"), (input) => input.id),
      legend: text("latents-legend"),
      latents: Array.from(document.querySelectorAll("#latents label"), (l) => l.textContent),
      fetched: performance.getEntriesByType("resource").map((entry) => entry.name),
      scaling: getComputedStyle(document.getElementById("image")).imageRendering,
    });
  }
  document.getElementById("seen").textContent = JSON.stringify(seen);
})();
</script>
"""


def visit(path):
    """What a browser without network shows after each step of `VISIT`."""
    names = [os.environ.get("CHROMIUM"), *BROWSERS]
    browser = next((found for name in names if name and (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium: set CHROMIUM, or have one of these: " + ", ".join(BROWSERS))
    copy = path.with_name("visited.html")
    copy.write_text(path.read_text(encoding="utf-8") + VISIT, encoding="utf-8")
    options = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={path.with_name('profile')}"),
        *("--virtual-time-budget=20000", "--dump-dom"),
    )
    command = [browser, *options, copy.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="seen">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    return json.loads(html.unescape(found[1]))


def nearest_value(scene, slot, latent):
    found = ALL_SCENES[scene].traversals[slot].found[latent]
    return int(np.abs(np.array(VALUES) - found).argmin())


def rgb(shown):
    rgba = np.reshape(shown, (SIDE, SIDE, 4))
    assert (rgba[..., 3] == 255).all()
    return rgba[..., :3]


def test_browser_shows_what_is_chosen(page):
    seen = visit(page)
    expected = [  # scene, slot, latent, value after each step; None: nearest to what was found
        *((0, 0, 0, None), (0, 0, 0, 3), (0, 2, 0, None), (0, 2, 0, 0)),
        *((0, 2, 1, None), (0, 2, 1, 2), (1, 2, 1, None), (1, 2, 1, 1)),
    ]
    labels = ["-2 SD", "-0.5 SD", "+1 SD", "+2.5 SD"]
    for state, (scene, slot, latent, value) in zip(seen, expected, strict=True):
        value = nearest_value(scene, slot, latent) if value is None else value
        traversal = ALL_SCENES[scene].traversals[slot]
        pictures = [as_bytes(ALL_SCENES[scene].image), *shown_by(traversal, latent, value)]
        for shown, picture in zip(state["pictures"], pictures, strict=True):
            np.testing.assert_array_equal(rgb(shown), picture)
        for shown, picture in zip(state["thumbnails"], ALL_SCENES[scene].components, strict=True):
            np.testing.assert_array_equal(rgb(shown), as_bytes(picture))
        name = f"z{LATENTS[latent]} of slot {slot + 1}"
        assert state["name"] == name
        assert state["value"] == state["slider"] == labels[value]
        assert state["described"] == f"masked component with {name} at {labels[value]}"
        assert state["found"] == f"{traversal.found[latent]:+.2f} SD"
        color = ", ".join(map(str, as_bytes(plots.slot_color(slot))))
        assert state["border"] == f"rgb({color})"
        assert state["checked"] == [f"slot-{slot}", f"latent-{latent}", f"scene-{scene}"]
        assert all(address.startswith("data:") for address in state["fetched"])
        assert state["scaling"] == "pixelated"
    assert seen[0]["latents"] == ["z6KL 4.0", "z0KL 2.0", "z3KL 1.3"]
    assert seen[0]["legend"].startswith(f"{len(LATENTS)} of {NUM_LATENTS} latents")
