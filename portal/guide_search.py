"""Search over the guides: their sections as text, and those that hold all the words asked for."""

from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from typing import NamedTuple

MOST = 20
AROUND = 90


class Section(NamedTuple):
    """A heading with what stands beneath it, and the address that leads there."""

    url: str
    page: str
    title: str
    text: str


class Found(NamedTuple):
    """A section that fits, and the words around the first match."""

    section: Section
    excerpt: str


class _Reader(HTMLParser):
    """Cuts the article of a page at its headings with an id."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url, self._inside, self._heading, self._skipping = url, False, "", 0
        self._page = self._title = ""
        self._anchor, self._words = "", [""]
        self.sections: list[Section] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "article":
            self._inside = True
        elif tag in ("svg", "script", "button", "form"):
            self._skipping += 1
        elif self._inside and tag in ("h1", "h2", "h3") and (tag == "h1" or given.get("id")):
            self._keep()
            self._heading, self._title, self._anchor = tag, "", given.get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._keep()
            self._inside = False
        elif tag in ("svg", "script", "button", "form"):
            self._skipping -= 1
        elif tag == self._heading:
            self._page = self._page or self._title.strip()
            self._heading = ""

    def handle_data(self, data: str) -> None:
        if self._inside and not self._skipping:
            if self._heading:
                self._title += data
            else:
                self._words.append(data)

    def _keep(self) -> None:
        text = " ".join(" ".join(self._words).split())
        if self._title:
            url = f"{self._url}#{self._anchor}" if self._anchor else self._url
            self.sections.append(Section(url, self._page, self._title.strip(), text))
        self._words = []


def _sections(url: str, html: str) -> Iterator[Section]:
    reader = _Reader(url)
    reader.feed(html)
    yield from reader.sections


def find(asked: str, pages: Mapping[str, Callable[[], str]]) -> list[Found]:
    """Sections with all the words, those with the words in their heading first."""
    words = asked.casefold().split()
    if not words:
        return []
    found = [
        Found(section, _excerpt(section.text, words))
        for url, render in pages.items()
        for section in _sections(url, render())
        if all(word in f"{section.title} {section.text}".casefold() for word in words)
    ]
    found.sort(key=lambda each: -sum(word in each.section.title.casefold() for word in words))
    return found[:MOST]


def _excerpt(text: str, words: list[str]) -> str:
    at = max(0, min((text.casefold().find(word) for word in words if word in text.casefold()), default=0) - AROUND)
    cut = text[at : at + 2 * AROUND]
    return ("… " if at else "") + cut + (" …" if at + 2 * AROUND < len(text) else "")
