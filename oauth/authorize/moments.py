"""When a request that wants a fresh sign-in (prompt=login) was first seen here: kept in this browser's signed cookie.

A parameter that says so could be written by whoever writes the request.
"""

import json
from hashlib import sha256

from flask import session

from latchkey import clock
from latchkey.accounts import sessions, waybacks
from latchkey.accounts.sessions import BrowserSession
from oauth.authorize.request import Asked

MOST = 5


def fresh(asked: Asked, here: BrowserSession) -> bool:
    """Whether the person signed in because of this request: after it was first seen, and lately."""
    seen = session.get(waybacks.MOMENTS, {}).get(_mark(asked))
    return seen is not None and here.authenticated_at.timestamp() >= seen and sessions.recently_authenticated(here)


def begin(asked: Asked) -> None:
    """Note when the request was first seen: only a sign-in after that counts."""
    known = session.get(waybacks.MOMENTS, {})
    mark = _mark(asked)
    if mark not in known:
        latest = sorted(known.items(), key=lambda entry: entry[1])[1 - MOST :]
        session[waybacks.MOMENTS] = dict(latest) | {mark: clock.now().timestamp()}


def done(asked: Asked) -> None:
    """Forget an answered request: if it comes again, it needs another sign-in."""
    known = session.get(waybacks.MOMENTS, {})
    if _mark(asked) in known:
        session[waybacks.MOMENTS] = {mark: seen for mark, seen in known.items() if mark != _mark(asked)}


def _mark(asked: Asked) -> str:
    said = [asked.client.id, sorted(asked.parameters.items()), asked.resources]
    return sha256(json.dumps(said).encode()).hexdigest()[:16]
