"""Looking for a word in texts, in whatever case it is written, and their order without regard to case."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Boolean, ColumnElement, SQLColumnExpression, String, literal, or_
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


class _Caseless(FunctionElement[str]):
    """A text without its case. SQLite folds the same letters by either means; the latter is what it has indexes of."""

    type = String()
    inherit_cache = True


@compiles(_Caseless)
def _lowered(element: _Caseless, compiler: SQLCompiler, **more: Any) -> str:
    return f"lower({compiler.process(element.clauses, **more)})"


@compiles(_Caseless, "sqlite")
def _collated(element: _Caseless, compiler: SQLCompiler, **more: Any) -> str:
    return f"{compiler.process(element.clauses, **more)} COLLATE NOCASE"


def caseless(text: SQLColumnExpression[Any]) -> ColumnElement[str]:
    """A text as it is sorted, in whatever case it is written."""
    return _Caseless(text)


def like(text: SQLColumnExpression[Any], pattern: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a text matches a pattern, in whatever case it is written."""
    return _Like(text, pattern)


def mentions(word: str, texts: Iterable[SQLColumnExpression[Any]]) -> ColumnElement[bool]:
    """Whether a word stands in one of some texts. Without case; beyond ASCII that is PostgreSQL's knowledge alone."""
    return or_(*(_Like(text, literal(within(word))) for text in texts))


def within(word: str) -> str:
    """The pattern of LIKE for a word anywhere in a text, with `/` as its escape."""
    return f"%{escaped(word)}%"


def escaped(word: str) -> str:
    """A word as patterns of LIKE have it, with `/` as its escape."""
    return word.replace("/", "//").replace("%", "/%").replace("_", "/_")
