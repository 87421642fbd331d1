"""An app that proves itself and what it wants tokens for, found in one statement."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Select

from latchkey import clock, ids
from latchkey.store.prepared import PreparedSelect
from latchkey.tokens.issued import refreshing
from oauth.protocol import parties
from oauth.token import codes

Statement: TypeAlias = Select[*tuple[Any, ...]]
_WIDTH = len(parties.FACTS.selected_columns)


class Found(NamedTuple):
    """What was read of an app, a row a secret, and of what it sent; None: there is none of its own."""

    party: Sequence[Any]
    sent: Any


class Both:
    """Looks both up; `beside` adds the columns of `row`, which are empty where nothing is found."""

    def __init__(self, beside: Callable[[Statement], Statement], row: Any) -> None:
        self._rows = PreparedSelect("Both", beside(parties.FACTS).where(*parties.BY_ID), row=tuple)
        self._row, self._own = row, _WIDTH + row._fields.index("grant_id")

    def find(self, client_id: str, digest: bytes | None) -> Found | None:
        """Both, where each is one of ours by its form; else they are still to be asked for."""
        if digest is None or not ids.is_id(client_id, "app"):
            return None
        rows = self._rows.all(client_id=client_id, digest=digest, now=clock.now())
        party = [parties.Facts._make(row[:_WIDTH]) for row in rows]
        known = bool(rows) and rows[0][self._own] is not None
        return Found(party, self._row._make(rows[0][_WIDTH:]) if known else None)


CODES = Both(codes.beside, codes.Found)
REFRESHES = Both(refreshing.beside, refreshing.Found)
