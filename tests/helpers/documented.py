"""The commands that README.md, CONTRIBUTING.md and docs/ tell their readers."""

import pathlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(ROOT))
         for p in (ROOT / "docs").rglob("*.md")))  # fmt: skip
_SHELLS = ("", "sh", "bash", "shell", "console")
_BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`((?:iodine-\w+|make) [^`\n]+)`(?!`)")
_PLACEHOLDER = re.compile(r"^[A-Z]+$|=[A-Z]$")
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*")


class Command(NamedTuple):
    """A command, without what is set for it and what is said about it."""

    page: str
    words: tuple[str, ...]
    is_in_text: bool = False  # not in a block: names flags, and may leave others out

    @property
    def is_sketch(self):
        """Whether it has to be completed: by other flags, or by values for single letters."""
        marks = any("..." in word or _PLACEHOLDER.search(word) for word in self.words[1:])
        return self.is_in_text or marks

    @property
    def module(self):
        """Of `launch/`, if it is a program of ours; else None."""
        place = PROJECT["scripts"].get(self.words[0], "")
        return place.removeprefix("iodine.launch.").partition(":")[0] or None

    def __str__(self):
        return f"{self.page}: {shlex.join(self.words)}"


class Listing(NamedTuple):
    """Python that a page shows."""

    page: str
    source: str


def commands() -> list[Command]:
    """Every command of every page, once a page."""
    return list(dict.fromkeys(command for page in PAGES for command in _of_page(page)))


def listings() -> list[Listing]:
    """Every block of Python."""
    return [
        Listing(page, source)
        for page in PAGES
        for language, source in _blocks((ROOT / page).read_text())
        if language == "python"
    ]


def _of_page(page: str) -> Iterator[Command]:
    text = (ROOT / page).read_text()
    lines = []
    for language, source in _blocks(text):
        if language in _SHELLS:
            lines += source.replace("\\\n", " ").splitlines()
    for line in lines:
        yield from _split(page, line.strip().removeprefix("$ "))
    for found in _INLINE.finditer(_BLOCK.sub("", text)):
        for command in _split(page, found[1]):
            yield command._replace(is_in_text=True)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    for _, language, source in _BLOCK.findall(text):
        yield language.strip(), source


def _split(page: str, line: str) -> Iterator[Command]:
    """The commands of a line, which `&&`, `;` or `|` may join."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, "&&"]:
        if set(word) & set("&|;<>") and not set(word) - set("&|;<>"):
            while words and _ASSIGNMENT.fullmatch(words[0]):
                words.pop(0)
            if words:
                yield Command(page, tuple(words))
            words = []
        else:
            words.append(word)
