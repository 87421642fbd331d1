"""What the database is asked, counted: statements of the session and the engines, and those prepared beforehand."""

import threading

import pytest
from sqlalchemy import event

from latchkey.store.exchanges import PreparedExchange
from latchkey.store.prepared import PreparedSelect, PreparedWrite
from latchkey.store.session import engines


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of all statements of this thread from here on: others write down meanwhile what was counted."""
    here = threading.get_ident()
    told: list[str] = []

    def tell(*texts: str) -> None:
        if threading.get_ident() == here:
            told.extend(texts)

    def noting(run):
        def noted(prepared, *given, **named):
            tell(str(prepared._statement))
            return run(prepared, *given, **named)

        return noted

    monkeypatch.setattr(PreparedSelect, "_run", noting(PreparedSelect._run))
    monkeypatch.setattr(PreparedSelect, "_at_replica", noting(PreparedSelect._at_replica))
    monkeypatch.setattr(PreparedWrite, "run", noting(PreparedWrite.run))
    exchange = PreparedExchange.run

    def exchanged(prepared, facts):
        made = prepared.apart() if engines().embedded else [prepared.as_one()]
        tell(*map(str, made))
        return exchange(prepared, facts)

    monkeypatch.setattr(PreparedExchange, "run", exchanged)
    for engine in (engines().read, engines().write):
        event.listen(engine, "before_cursor_execute", lambda c, cursor, text, *_: tell(text))
    return told
