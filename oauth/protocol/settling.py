"""How an endpoint for programs reads a form and answers it: a refusal is counted and kept for the app's owner."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeAlias

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError

from latchkey.clients.moved import record as moved
from latchkey.journal import refusals
from latchkey.store.session import db
from oauth.protocol import answers, parameters, parties, server, signed
from oauth.protocol.parameters import Form, Presented
from oauth.protocol.parties import Noted
from web import calls
from web.calls import Call, Later, Reply

# A device asks again and again, as it was told to: that nobody has answered yet is nothing to look into.
QUIET = frozenset({"authorization_pending", "slow_down"})

Body: TypeAlias = dict[str, Any]
# The body of a success, or its JSON.
Told: TypeAlias = Body | str
# That, or how to get at it where that has to wait for a turn to write. May raise `OAuth2Error`.
Decide: TypeAlias = Callable[[Form, Presented], Told | Callable[[], Told]]


def answered(call: Call, endpoint: str, decide: Decide, *, needed: str = "") -> Reply | Later:
    """Read a call and decide about it, once; without the parameter that is `needed` nobody asks who calls."""
    try:
        form, sent = call.environ.pop(parameters.AHEAD, None) or parameters.read(call, needed)
        if sent.assertion is not None:
            if not calls.patient(call.body):
                raise InvalidRequestError("Write the name client_assertion without escapes.")
            # Used up once, also where the rest is done again because it met somebody else's change.
            return partial(_proved, call, endpoint, decide, form, cache(partial(signed.proved, sent)))
        body = decide(form, sent)
    except parties.Unproved as unproved:
        call.environ[calls.SLOW] = True
        return partial(_proved, call, endpoint, decide, form, cache(unproved.settled))
    except OAuth2Error as error:
        return partial(refused, call, endpoint, error)
    return partial(_finished, call, endpoint, body) if callable(body) else answers.granted(body)


def _proved(call: Call, endpoint: str, decide: Decide, form: Form, proved: Callable[[], Presented]) -> Reply:
    """The same for an app whose proof takes a while: its address is asked for its keys, or its secret is hashed."""
    try:
        body = decide(form, proved())
        return answers.granted(body() if callable(body) else body)
    except OAuth2Error as error:
        return refused(call, endpoint, error)


def _finished(call: Call, endpoint: str, rest: Callable[[], Told]) -> Reply:
    try:
        return answers.granted(rest())
    except OAuth2Error as error:
        return refused(call, endpoint, error)


def refused(call: Call, endpoint: str, error: OAuth2Error) -> Reply:
    """Undo what was begun, write down what is to be kept, and say no."""
    db.rollback()
    told = error.note() if isinstance(error, Noted) else error
    claimed = parameters.claimed(call)
    if told.error not in QUIET and claimed is not None and (known := moved.ours(claimed)) is not None:
        refusals.record(known, endpoint, *server.reason(told))
    db.commit()
    return server.refusal(told)
