"""Search over the guides: their sections as text, and those that hold all the words asked for."""

from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from typing import NamedTuple, cast

from flask import current_app, url_for

GUIDES = (
    "portal.guide_authentication",
    "portal.guide_oauth",
    "portal.guide_scopes",
    "portal.guide_secrets",
    "portal.guide_agents",
    "portal.guide_agent_claude_code",
    "portal.guide_agent_vs_code",
    "portal.guide_agent_cursor",
    "portal.guide_agent_chatgpt",
    "portal.guide_agent_mcp_inspector",
    "portal.guide_api",
    "portal.guide_your_api",
    "portal.guide_your_api_inside",
    "portal.guide_your_api_gateway",
    "portal.guide_your_api_service",
    "portal.guide_gateways",
)
MOST = 20
AROUND = 90


# Elements after whose beginning another word begins.
BLOCKS = {"p", "li", "div", "td", "th", "small", "pre", "br", "summary"}


class Section(NamedTuple):
    """A heading with what stands beneath it, its sentences and its code, and the address that leads there."""

    url: str
    page: str
    title: str
    text: str
    code: str


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
        self._anchor, self._text, self._code, self._coding = "", "", "", False
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
        self._coding = self._coding or tag == "pre"
        if tag in BLOCKS:
            self._text += " "

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._keep()
            self._inside = False
        elif tag in ("svg", "script", "button", "form"):
            self._skipping -= 1
        elif tag == "pre":
            self._coding = False
        elif tag == self._heading:
            self._page = self._page or self._title.strip()
            self._heading = ""

    def handle_data(self, data: str) -> None:
        if self._inside and not self._skipping:
            if self._heading:
                self._title += data
            elif self._coding:
                self._code += data
            else:
                self._text += data

    def _keep(self) -> None:
        if self._title:
            url = f"{self._url}#{self._anchor}" if self._anchor else self._url
            text, code = " ".join(self._text.split()), " ".join(self._code.split())
            self.sections.append(Section(url, self._page, self._title.strip(), text, code))
        self._text = self._code = ""


def pages() -> dict[str, str]:
    """Every guide by its path, as it reads to who is not signed in."""
    app = current_app._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 - the proxy's own way out
    # Contexts of their own: nobody is signed in there.
    with app.app_context(), app.test_request_context():
        views = {url_for(endpoint): cast("Callable[[], str]", app.view_functions[endpoint]) for endpoint in GUIDES}
        return {path: view() for path, view in views.items()}


def sections(pages: Mapping[str, str]) -> list[Section]:
    """The sections of these pages, by their addresses."""
    found: list[Section] = []
    for url, page in pages.items():
        reader = _Reader(url)
        reader.feed(page)
        found += reader.sections
    return found


class Index:
    """Sections with their words without case, made once: a search only compares."""

    def __init__(self, among: Iterable[Section]) -> None:
        self._entries = [
            (section, section.title.casefold(), f"{section.title} {section.text} {section.code}".casefold())
            for section in among
        ]

    def find(self, asked: str) -> list[Found]:
        """Sections with all the words, those with the words in their heading first."""
        words = asked.casefold().split()
        if not words:
            return []
        fitting = [(section, title) for section, title, whole in self._entries if all(word in whole for word in words)]
        fitting.sort(key=lambda entry: -sum(word in entry[1] for word in words))
        return [Found(section, _excerpt(section.text, words)) for section, _ in fitting[:MOST]]


def _excerpt(text: str, words: list[str]) -> str:
    """Whole words around the first match."""
    at = min((text.casefold().find(word) for word in words if word in text.casefold()), default=0)
    start = text.find(" ", at - AROUND) + 1 if at > AROUND else 0
    end = text.rfind(" ", start, start + 2 * AROUND) if len(text) > start + 2 * AROUND else len(text)
    return ("… " if start else "") + text[start:end] + (" …" if end < len(text) else "")
