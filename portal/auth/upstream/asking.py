"""What a browser keeps while it is at the upstream: sealed in cookies of its own, so that strangers cost no row."""

import base64
import hmac
import json
import zlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from latchkey import clock, settings, vault
from latchkey.accounts import waybacks
from latchkey.upstream import client
from latchkey.upstream.client import Begun
from portal import cookies, drafts

ASKED, KEPT = "upstream", "upstream-kept"
# As long as a spent one is remembered (challenges), and a kept form counts.
LIFETIME = timedelta(minutes=10)
# Browsers keep 4,096 bytes, with name and attributes; what is longer is left behind rather than nobody gets in.
LONGEST = 3_600
SEALED_AS = "upstream"


class Purpose(StrEnum):
    """What somebody is away for."""

    SIGN_IN = "sign_in"
    PROOF = "proof"
    LINK = "link"
    INVITATION = "invitation"


class Asked(NamedTuple):
    """One way there and back. `bound`: the session that asks, or the link of the invitation."""

    begun: Begun
    purpose: str
    next_path: str | None
    bound: str
    anew: bool
    at: datetime

    @property
    def since(self) -> datetime | None:
        """From when on a sign-in there counts."""
        return self.at if self.anew else None


def leave(
    purpose: Purpose, next_path: str | None = None, *, bound: str = "", anew: bool = False, kept: str | None = None
) -> Response:
    """Send this browser to the upstream. In answer to a form by a page: where forms may lead to is bounded (N-05).

    `anew`: whoever it is shows it there once more. `kept` is the form that waits. Raises `provider.Away`.
    """
    begun = client.begin()
    address = client.address(begun, anew=anew)
    if request.method == "POST":
        response = Response(
            render_template("portal/upstream/leaving.html", address=address), content_type="text/html; charset=utf-8"
        )
    else:
        response = redirect(address, 303)
    way = waybacks.meant(next_path) or None
    known = [begun, purpose, way, bound, anew, clock.now().timestamp()]
    if not write(response, ASKED, known, LIFETIME):
        write(response, ASKED, [begun, purpose, None, bound, anew, clock.now().timestamp()], LIFETIME)
    forget(response, KEPT)
    if kept is not None and (form := drafts.unseal(kept)) is not None:
        write(response, KEPT, form, LIFETIME)
    return response


def find(state: str) -> Asked | None:
    """What this browser left for, if that is what it comes back from."""
    found = read(ASKED, LIFETIME)
    if found is None:
        return None
    begun, purpose, way, bound, anew, at = found
    asked = Asked(
        Begun(*begun), purpose, waybacks.carried(way) if way else None, bound, anew, datetime.fromtimestamp(at, UTC)
    )
    return asked if hmac.compare_digest(asked.begun.state.encode(), state.encode()) else None


def kept() -> str | None:
    """The form that waited for it, sealed again."""
    form = read(KEPT, LIFETIME)
    return drafts.sealed(drafts.Kept(*form)) if form is not None else None


def over(response: Response) -> Response:
    """This browser is back."""
    forget(response, ASKED)
    forget(response, KEPT)
    return response


def write(response: Response, name: str, value: object, lifetime: timedelta) -> bool:
    """Let this browser keep something that it cannot read; whether there is room for it."""
    dated = json.dumps([clock.now().timestamp(), value], default=str)
    packed = base64.b85encode(zlib.compress(dated.encode(), 9)).decode()
    sealed = vault.seal_as(SEALED_AS, packed)
    if len(sealed) > LONGEST:
        return False
    cookies.write(response, name, sealed, lifetime)
    return True


def read(name: str, lifetime: timedelta) -> Any:
    """What it keeps, for as long as it counts."""
    packed = vault.unseal_as(SEALED_AS, str(cookies.read(name, lifetime) or ""))
    if packed is None:
        return None
    at, value = json.loads(zlib.decompress(base64.b85decode(packed)))
    return value if at > (clock.now() - lifetime).timestamp() else None


def forget(response: Response, name: str) -> None:
    """Let it keep that no longer."""
    ours = settings.current()
    if ours.cookie(name) in request.cookies:
        response.delete_cookie(ours.cookie(name), samesite="Lax", secure=ours.secure, httponly=True)
