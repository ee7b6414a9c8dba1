"""Pages stay short enough to read, and what they point to is there."""

import functools
import html.parser
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NOTES = [ROOT / name for name in ("BUILD_NOTES.md", "CONTRIBUTING.md", "CHANGELOG.md", "README.md")]
MAX_LINES, MAX_LENGTH = 200, 120

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`]*`")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)")  # also of images
HEADING = re.compile(r"^#{1,6} +(.*?) *$", re.MULTILINE)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
each_text = pytest.mark.parametrize("page", PAGES + NOTES, ids=lambda p: str(p.relative_to(ROOT)))


class References(html.parser.HTMLParser):
    """What HTML within a page points to."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("href", "src")]


def is_too_long(line):
    """Over the limit, unless it cannot be broken: a row of a table, or a word such as a link."""
    if len(line) <= MAX_LENGTH or line.startswith("|"):
        return False
    return " " in line.strip()[: MAX_LENGTH + 1].removeprefix("* ")


@functools.cache
def anchors(path):
    """Of a page's headings, as MkDocs and GitHub form them."""
    headings = HEADING.findall(FENCE.sub("", path.read_text()))
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r"[ ]", "-", heading) for heading in kept}


def targets(path):
    text = CODE.sub("", FENCE.sub("", path.read_text()))
    found = LINK.findall(text) + References(text).found
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def missing(path):
    """Relative links of a page that lead nowhere."""
    bad = []
    for target in targets(path):
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        if not other.exists() or (
            anchor and other.suffix == ".md" and anchor not in anchors(other)
        ):
            bad.append(target)
    return bad


@each_page
def test_pages_are_short(page):
    lines = page.read_text().splitlines()
    assert len(lines) <= MAX_LINES
    assert [number for number, line in enumerate(lines, 1) if is_too_long(line)] == []


@each_text
def test_links_and_images_are_there(page):
    assert missing(page) == []


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "there.md").write_text("# A heading, with `code`\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[x](there.md) [x](there.md#a-heading-with-code) [x](https://example.org) `[x](code.md)`\n"
        "[x](gone.md) ![x](gone.png) [x](there.md#gone) [x](#gone)\n"
        '<img src="gone.svg"> <img src="there.md">\n```\n[x](code.md)\n```\n'
    )
    assert missing(page) == ["gone.md", "gone.png", "there.md#gone", "#gone", "gone.svg"]


def test_lines_that_could_be_broken_are_found():
    assert is_too_long("word " * 25)
    assert not is_too_long("| " + "cell | " * 30)
    assert not is_too_long("* https://example.org/" + "x" * 120)


def test_the_site_has_every_page():
    """And names none that is not there, which `make docs` refuses as well."""

    def pages(node):
        if isinstance(node, str):
            return [node]
        return [page for child in (node.values() if isinstance(node, dict) else node)
                for page in pages(child)]  # fmt: skip

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(pages(nav)) == [page.relative_to(ROOT / "docs").as_posix() for page in PAGES]


def test_the_citation_has_the_version_of_the_package():
    project = (ROOT / "pyproject.toml").read_text()
    (version,) = re.findall(r'^version = "(.*)"$', project, re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version
    assert citation["preferred-citation"]["year"] == 2019
