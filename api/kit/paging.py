"""Lists in pages: `limit` and `cursor` in, `data` and `next_cursor` out."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from api.kit import answers, problems
from latchkey import ids
from web import calls
from web.calls import Reply

DEFAULT, MOST = 50, 100
_NUMBER = re.compile(r"[0-9]{1,3}", re.ASCII)

Row = TypeVar("Row")


class Asked(NamedTuple):
    """How many rows a page takes, and the id of the last one that its reader has seen."""

    limit: int
    after: str | None


def asked(prefix: str) -> Asked:
    """What the query asks for, of things whose ids begin like this (O-05).

    Raises `problems.Problem`.
    """
    errors: dict[str, str] = {}
    query = calls.current.get().query
    limit, cursor = query.get("limit", str(DEFAULT)), query.get("cursor")
    if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= MOST:
        errors["limit"] = f"Write a number from 1 to {MOST}."
    if cursor is not None and not ids.are_digits(cursor):
        errors["cursor"] = "Use next_cursor of the page before, unchanged."
    if errors:
        raise problems.wrong_fields(errors)
    return Asked(int(limit), None if cursor is None else f"{prefix}_{cursor}")


def choice(name: str, allowed: Sequence[str], otherwise: str | None) -> str | None:
    """A parameter of the query that is one of a few words. Raises `problems.Problem`."""
    chosen = calls.current.get().query.get(name)
    if chosen is None:
        return otherwise
    if chosen not in allowed:
        raise problems.wrong_fields({name: f"Use one of {', '.join(allowed)}."})
    return chosen


def is_id(text: str) -> bool:
    """Whether this could be an id of ours; anything else need not reach the database."""
    return ids.is_id(text)


def answer(data: list[dict[str, Any]], last: str | None) -> Reply:
    """A page; `last` is the id of its last row if another page follows. Ids are stable, so cursors are."""
    return answers.shown({"data": data, "next_cursor": None if last is None else last.partition("_")[2]})


def page(rows: Sequence[Row], asked: Asked, show: Callable[[Row], dict[str, Any]]) -> Reply:
    """A page of rows with an `id`, of which there is one more than asked for if another page follows."""
    kept: list[Any] = list(rows[: asked.limit])
    return answer([show(row) for row in kept], kept[-1].id if len(rows) > asked.limit else None)


def following(rows: Sequence[Any], asked: Asked) -> list[Any]:
    """Of all of a user's rows those that follow the cursor, the newest first, and one more than the page takes."""
    ordered = sorted(rows, key=lambda row: row.id, reverse=True)
    return [row for row in ordered if asked.after is None or row.id < asked.after][: asked.limit + 1]
