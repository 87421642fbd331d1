"""Looking for a word in texts, in whatever case it is written."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Boolean, ColumnElement, SQLColumnExpression, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Like(FunctionElement[bool]):
    """A text matches a pattern in any case; `ilike` would lower each text of each row before SQLite's LIKE does."""

    type = Boolean()
    inherit_cache = True


@compiles(_Like)
def _everywhere(element: _Like, compiler: SQLCompiler, **more: Any) -> str:
    text, pattern = element.clauses
    return f"{compiler.process(text, **more)} ILIKE {compiler.process(pattern, **more)} ESCAPE '/'"


@compiles(_Like, "sqlite")
def _sqlite(element: _Like, compiler: SQLCompiler, **more: Any) -> str:
    text, pattern = element.clauses
    return f"{compiler.process(text, **more)} LIKE {compiler.process(pattern, **more)} ESCAPE '/'"


def mentions(word: str, texts: Iterable[SQLColumnExpression[Any]]) -> ColumnElement[bool]:
    """Whether a word stands in one of some texts. Without case; beyond ASCII that is PostgreSQL's knowledge alone."""
    return or_(*(_Like(text, literal(within(word))) for text in texts))


def within(word: str) -> str:
    """The pattern of LIKE for a word anywhere in a text, with `/` as its escape."""
    return "%" + word.replace("/", "//").replace("%", "/%").replace("_", "/_") + "%"
