"""What was typed into a form that met an ended session: sealed, carried through sign-in, and filled in again.

It is bound to the account whose page the form was on and to the path that it was for, counts for ten minutes, and
never holds a password, a code or a credential.
"""

import json
from datetime import timedelta
from typing import NamedTuple

from flask import request
from flask_login import current_user
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.datastructures import MultiDict

from latchkey import clock, credentials, vault
from latchkey.accounts import sessions
from portal.guards import local_path, this_session

LONGEST = 16 * 1024
KEPT = timedelta(minutes=10)
SEALED_AS = "form"
# “text” is where whole requests are pasted to be explained.
# Lengths of lives, and no tokens, whatever their names.
LENGTHS = ("token_max_days", "token_default_days")
SECRET_WORDS = ("password", "current", "secret", "token", "code", "credential", "text", "kept", "shown")


class Kept(NamedTuple):
    """A form: whose page it was on, what it was for, where that page is, when it was sent, and what was in it."""

    account: str
    path: str
    back: str | None
    at: float
    fields: list[tuple[str, str]]


def whose(form_token: str) -> str | None:
    """The id of the account whose page a form was on, by the form's own token; empty if it was on nobody's.

    None for a token that is not ours. It need not be good for this session any more.
    """
    try:
        secret = URLSafeTimedSerializer(vault.keys(), salt="wtf-csrf-token").loads(vault.unmasked(form_token))
    except (BadSignature, UnicodeError):
        return None
    account, told, _ = str(secret).partition(":")
    return account if told else ""


def seal(account: str) -> str | None:
    """The form of this request, sealed; None if there is too much of it."""
    fields = [(name, value) for name, values in request.form.lists() for value in values]
    if sum(len(name) + len(value) for name, value in fields) > LONGEST:
        return None
    typed = [(name, value) for name, value in fields if not _secret(name, value)]
    return sealed(Kept(account, request.path, _page(), clock.now().timestamp(), typed))


def sealed(kept: Kept) -> str | None:
    """A form, for a page or a session to carry; None if there is too much of it."""
    text = vault.seal_as(SEALED_AS, json.dumps(kept))
    return text if len(text) <= LONGEST else None


def _secret(name: str, value: str) -> bool:
    told = not name.endswith(LENGTHS) and any(word in name.lower() for word in SECRET_WORDS)
    return told or bool(credentials.spotted(value))


def _page() -> str | None:
    """The page that the form was on, if the browser says so. It is one of ours: the form was looked at before."""
    if not request.referrer:
        return None
    _, _, after = request.referrer.partition("://")
    return local_path("/" + after.partition("/")[2])


def unseal(text: str | None) -> Kept | None:
    """A kept form, unless it is too old or not ours."""
    opened = vault.unseal_as(SEALED_AS, text) if text and len(text) <= LONGEST else None
    if opened is None:
        return None
    kept = Kept(*json.loads(opened))
    return kept if kept.at > (clock.now() - KEPT).timestamp() else None


def typed(path: str | None = None) -> MultiDict[str, str] | None:
    """What was typed into the form for a path, by default this page's own, for its fields; None if nothing is kept."""
    if request.method != "GET" or not current_user.is_authenticated:
        return None
    here = this_session()
    kept = unseal(here.kept)
    if kept is None or kept.account != here.user_id or kept.path != (path or request.path):
        return None
    return MultiDict(kept.fields)


def filling() -> dict[str, MultiDict[str, str]]:
    """The same as an argument of a form that reads what was sent by itself."""
    fields = typed()
    return {} if fields is None else {"formdata": fields}


def forget() -> bool:
    """A form was sent that is good: nothing needs to be filled in any more. Whether there was something kept."""
    if not current_user.is_authenticated or this_session().kept is None:
        return False
    sessions.keep(this_session(), None)
    return True
