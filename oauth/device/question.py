"""Who answers for a device, the field for its code, and the consent screen that follows."""

from flask import Response, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from latchkey import addresses, credentials, grants, origin, scopes
from latchkey.accounts.sessions import BrowserSession, SessionEnded
from latchkey.clients import Client
from latchkey.notices import agreed
from latchkey.store.session import db
from latchkey.tokens.issued import device_answers
from latchkey.tokens.issued.device_codes import DeviceCode, Question
from oauth.authorize import pending
from oauth.authorize.question import owed, present


def answering() -> BrowserSession | BaseResponse:
    """Who answers; or the way to what they have to do first. Raises `SessionEnded`."""
    here = present()
    if here is None:
        raise SessionEnded
    first = owed(here)
    if first is None:
        return here
    db.commit()
    return redirect(first, 303)


def field(code: str, wrong: str = "", status: int = 200) -> Response:
    """The page with the field."""
    page = render_template("oauth/device/index.html", code=code, wrong=wrong)
    return Response(page, status, headers={"Cache-Control": "no-store"})


def question(code: DeviceCode, client: Client, here: BrowserSession, *, again: str = "") -> Response | None:
    """The consent screen for a device, bound to who is asked; None when somebody else is, or nothing can be granted.

    Everybody is asked for all of it: whoever holds the device may be anybody.
    """
    wanted = scopes.held(code.scope) & client.askable
    optional, handle = client.optional & wanted, credentials.opaque()
    scope = scopes.serialize(wanted)
    asked = Question(handle, scope, scopes.serialize(optional), pending.version(client, scope))
    if not wanted or not device_answers.claim(code, here, asked):
        return None
    standing = grants.find_authorization(here.user, client)
    page = render_template(
        "oauth/consent.html",
        device=code,
        here=origin.current.get().address,
        client=client,
        homepage=addresses.parts(client.homepage).netloc,
        user=here.user,
        boxes=grants.boxes(wanted),
        optional=optional,
        known=standing.agreed & wanted if standing is not None else frozenset(),
        settled={},
        new_here=grants.new_here(client),
        lasts=grants.LASTS,
        handle=handle,
        lifetime_days=grants.ABSOLUTE.days,
        again=again,
        since=agreed.since(standing) if standing is not None else None,
    )
    return Response(page, headers={"Cache-Control": "no-store"})
