"""Pages in a real browser without network: what they show, and what they do when used."""

import os
import shutil

import numpy as np
import pytest

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome"),
    *("chrome-headless-shell", "chromium-headless-shell"),
)


@pytest.fixture(scope="module")
def browser():
    """Chromium, by Playwright; tests that ask for it are skipped where there is none."""
    names = [os.environ.get("CHROMIUM"), *BROWSERS]
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium: set CHROMIUM, or have one of these: " + ", ".join(BROWSERS))
    from playwright import sync_api

    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]  # as root, and in a container
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Opens a file: `open_page(path, width=390, color_scheme="dark")` gives a Playwright page.

    In the end no script may have failed, and nothing but the file may have been asked for.
    """
    contexts, errors, requests = [], [], []

    def open_one(path, width=1000, height=800, **options):
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # milliseconds, on a busy machine
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        settle(page)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not errors
    assert all(url.startswith(("file:", "data:")) for url in requests)
    assert sum(url.startswith("file:") for url in requests) == len(contexts)


def settle(page):
    """Waits until everything that is to be shown is there."""
    page.wait_for_selector('main[aria-busy="false"]')


def drawn(page, selector):
    """The pixels of a canvas, uint8 [side, side, 3]; it must be opaque."""
    shape, values = page.eval_on_selector(
        selector,
        """(canvas) => [[canvas.height, canvas.width, 4], Array.from(
          canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)]""",
    )
    rgba = np.array(values, np.uint8).reshape(shape)
    assert (rgba[..., 3] == 255).all()
    return rgba[..., :3]


def style(page, selector, name):
    """A computed CSS property."""
    return page.eval_on_selector(selector, "(e, name) => getComputedStyle(e)[name]", name)
