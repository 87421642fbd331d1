"""What is shown of each request and its answer: codes, tokens and secrets never as a whole."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

from latchkey import credentials

DOTS = "••••••••"
SECRET = frozenset({"code", "code_verifier", "access_token", "refresh_token", "client_secret", "client_assertion"})
# What is nobody's secret for long, and told apart by its beginning.
SHORT = frozenset({"state", "code_challenge"})
SHOWN = 4


class Step(NamedTuple):
    """One request of the flow: what was sent, what came back, and what is to be said of it."""

    title: str
    request: str = ""
    sent: tuple[tuple[str, str], ...] = ()
    status: str = ""
    answer: str = ""
    text: str = ""
    told: str = ""
    state: str = "ok"


def masked(name: str, value: str) -> str:
    """A value as it may be shown."""
    if name in SECRET:
        kind = credentials.kind_of(value)
        return f"{'_'.join(value.split('_')[:2])}_{DOTS}" if kind is not None else DOTS
    return f"{value[:SHOWN]}…" if name in SHORT else value


def fields(sent: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The fields of a request as they may be shown."""
    return tuple((name, masked(name, value)) for name, value in sent)


def body(answer: dict[str, Any]) -> str:
    """The JSON of an answer as it may be shown."""
    shown = {name: masked(name, value) if isinstance(value, str) else value for name, value in answer.items()}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def status(code: int) -> str:
    """How an answer begins."""
    return f"{code} {HTTPStatus(code).phrase}"
