"""Where programs look for what people of a site need: whom to tell of a weakness, and where the password is changed."""

from datetime import UTC, datetime, time, timedelta

from flask import Response, abort, redirect, url_for
from flask.typing import ResponseReturnValue

from latchkey import clock, settings
from portal.blueprint import blueprint
from portal.guards import absolute, by_password

# RFC 9116 §2.5.5 asks for less than a year: an installation that nobody runs any more says nothing for long.
HOLDS = timedelta(days=180)


@blueprint.get("/.well-known/security.txt")
def show_security_contact() -> Response:
    """RFC 9116 (P-07)."""
    contact = settings.current().security_contact
    if contact is None:
        abort(404)
    # The same text all day, so that it can be compared and kept.
    expires = datetime.combine(clock.now() + HOLDS, time(), UTC)
    fields = {
        "Contact": contact,
        "Expires": clock.rfc3339(expires),
        "Canonical": absolute("portal.show_security_contact"),
        "Preferred-Languages": "en",
    }
    text = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return Response(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "public, max-age=3600"})


@blueprint.get("/.well-known/change-password")
@by_password
def find_password_change() -> ResponseReturnValue:
    """Password managers lead people here (G-05)."""
    return redirect(url_for("portal.show_settings", part="password"), 303)
