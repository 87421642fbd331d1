"""The guides as Markdown, for programs and for whoever pastes them into one: /llms.txt and `.md` after each address."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urljoin

from flask import Response, abort, request, url_for

from latchkey import settings
from portal.blueprint import blueprint
from portal.guides import search
from portal.guides.kept import kept, readable

VOID = frozenset({"area", "br", "hr", "img", "input", "link", "meta", "path", "source", "wbr"})
# What says nothing without the page around it.
LEFT_OUT = frozenset({"svg", "script", "style", "button", "form", "nav", "noscript", "template"})
CLASSES_LEFT_OUT = frozenset({"vh", "code__bar", "nextprev", "chart"})
BLOCKS = frozenset({"p", "div", "section", "figure", "figcaption", "details", "summary", "dl", "dt", "dd", "ul", "ol"})
HEADINGS = {"h1": "# ", "h2": "## ", "h3": "### ", "h4": "#### "}
MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*"}
SPECIAL = re.compile(r"([\\`*_\[\]<])")

ABOUT = (
    "How to call the API at {base}/v1 and the APIs behind this portal: with a developer token for one's own programs, "
    "or by OAuth 2 for apps that act for other people."
)


class Guide(NamedTuple):
    """One guide: its address, what it is called and about, and its text."""

    path: str
    title: str
    about: str
    text: str


class _Writer(HTMLParser):
    """Writes the article of a page as Markdown."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base, self.title, self.about = base, "", ""
        self._blocks: list[tuple[str, str]] = []
        self._inside, self._skipping, self._coding, self._raw = False, 0, False, False
        self._line, self._kind, self._lists, self._links = "", "p", list[str](), list[str]()
        self._row: list[str] | None = None
        self._first = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("name") == "description":
            self.about = given.get("content", "")
        if tag == "article":
            self._inside = True
        elif self._skipping or tag in LEFT_OUT or CLASSES_LEFT_OUT.intersection(given.get("class", "").split()):
            self._skipping += tag not in VOID
        elif self._inside:
            self._begin(tag, given)

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        if tag in HEADINGS or tag in BLOCKS or tag in ("pre", "tr", "table", "li"):
            self._end_block()
        if tag in HEADINGS:
            self._kind = tag
        elif tag in ("ul", "ol"):
            self._lists.append("- " if tag == "ul" else "1. ")
        elif tag == "li":
            self._first = True
        elif tag == "pre":
            self._raw, self._kind = True, "pre"
        elif tag == "tr":
            self._row = []
        elif not self._raw:
            self._begin_words(tag, given)

    def _begin_words(self, tag: str, given: dict[str, str]) -> None:
        if tag in MARKS:
            self._line += MARKS[tag]
        elif tag == "code":
            self._coding = True
            self._line += "`"
        elif tag == "a":
            self._links.append(given.get("href", ""))
            self._line += "" if self._links[-1].startswith("#") else "["
        elif tag == "br":
            self._line += " "

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= tag not in VOID
        elif tag == "article":
            self._end_block()
            self._inside = False
        elif self._inside:
            self._finish(tag)

    def _finish(self, tag: str) -> None:
        if tag in ("td", "th") and self._row is not None:
            self._row.append(" ".join(self._line.split()).replace("|", "\\|"))
            self._line = ""
        elif tag == "tr" and self._row is not None:
            self._end_row(self._row)
            self._row = None
        elif tag in HEADINGS or tag in BLOCKS or tag in ("pre", "li"):
            self._end_block()
            if tag in ("ul", "ol"):
                self._lists.pop()
        elif tag in MARKS and not self._raw:
            self._line += MARKS[tag]
        elif tag == "code" and not self._raw:
            self._coding = False
            self._line += "`"
        elif tag == "a" and not self._raw and self._links:
            href = self._links.pop()
            self._line += "" if href.startswith("#") else f"]({urljoin(self.base, href)})"

    def handle_data(self, data: str) -> None:
        if self._inside and not self._skipping:
            self._line += data if self._raw or self._coding else SPECIAL.sub(r"\\\1", data)

    def _end_row(self, cells: list[str]) -> None:
        if not self._blocks or self._blocks[-1][0] != "row":
            self._blocks.append(("row", f"| {' | '.join(cells)} |\n|{' --- |' * len(cells)}"))
        else:
            self._blocks.append(("row", f"| {' | '.join(cells)} |"))

    def _end_block(self) -> None:
        line, kind = self._line, self._kind
        if self._row is not None:
            # A cell is one line, whatever blocks it has.
            self._line += " "
            return
        self._line, self._kind = "", "p"
        if kind == "pre":
            self._raw = False
            fence = "```" if "```" not in line else "````"
            self._blocks.append(("pre", self._indented(f"{fence}\n{line.strip(chr(10))}\n{fence}")))
            return
        text = " ".join(line.split())
        if not text:
            return
        if kind == "h1":
            self.title = text
        kind_of_block = "item" if self._lists and self._first else kind
        self._blocks.append((kind_of_block, self._indented(HEADINGS.get(kind, "") + text)))

    def _indented(self, text: str) -> str:
        if not self._lists:
            return text
        marker = self._lists[-1] if self._first else "  "
        self._first = False
        before = "  " * (len(self._lists) - 1)
        head, *rest = text.split("\n")
        return "\n".join([f"{before}{marker}{head}", *(f"{before}  {line}" for line in rest)])

    @property
    def text(self) -> str:
        """The whole article."""
        written, before = "", ""
        for kind, text in self._blocks:
            tight = kind == before and kind in ("row", "item")
            written += ("" if not written else "\n" if tight else "\n\n") + text
            before = kind
        return written + "\n"


def written(path: str, page: str) -> Guide:
    """The article of a page; its links become absolute."""
    writer = _Writer(f"{settings.current().base_url}{path}")
    writer.feed(page)
    return Guide(path, writer.title, writer.about, writer.text)


def _guides() -> dict[str, Guide]:
    """Every guide as it reads to who is not signed in, by its path."""
    return {path: written(path, page) for path, page in search.pages().items()}


@blueprint.get("/docs/<path:name>.md", endpoint="guide_markdown")
def show_markdown(name: str) -> Response:
    """A guide's text, the same for everybody."""
    guide = kept("markdown", _guides).get(f"/docs/{name}")
    if guide is None:
        abort(404)
    return Response(guide.text, content_type="text/markdown; charset=utf-8")


@blueprint.get("/llms.txt", endpoint="guide_list")
def list_for_programs() -> Response:
    """What there is to read, in the form of llmstxt.org."""
    ours = settings.current()
    lines = [f"- [{guide.title}]({ours.base_url}{guide.path}.md): {guide.about}" for guide in _all()]
    text = "\n".join(
        [
            f"# {ours.brand_name}",
            "",
            f"> {ABOUT.format(base=ours.base_url)}",
            "",
            "## Guides",
            "",
            *lines,
            "",
            "## Descriptions for programs",
            "",
            f"- [OpenAPI description]({ours.base_url}/v1/openapi.json): every call of the API",
            f"- [MCP server]({ours.base_url}/mcp): the same as tools, for agents",
            f"- [Scopes]({ours.base_url}/v1/scopes): what a token may do, by API",
            f"- [Authorization server]({ours.base_url}/.well-known/oauth-authorization-server): RFC 8414 metadata",
            f"- [Protected resource]({ours.base_url}/.well-known/oauth-protected-resource): RFC 9728 metadata",
            "",
        ]
    )
    return Response(text, content_type="text/plain; charset=utf-8")


def _all() -> Iterator[Guide]:
    yield from (guide for guide in kept("markdown", _guides).values() if readable(guide.path))


@blueprint.after_request
def name_alternate(response: Response) -> Response:
    """Tell programs where a guide's text is (RFC 8288)."""
    if request.endpoint in search.GUIDES and response.status_code in (200, 304):
        address = f"{settings.current().base_url}{url_for(request.endpoint)}.md"
        response.headers.add("Link", f'<{address}>; rel="alternate"; type="text/markdown"')
    return response
