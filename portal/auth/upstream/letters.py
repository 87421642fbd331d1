"""The letter by which whoever came in upstream shows that an address is theirs, and what the browser keeps for it."""

from datetime import datetime, timedelta
from typing import Any

from flask import make_response, render_template
from itsdangerous import BadSignature
from werkzeug.wrappers import Response

from latchkey import credentials, notices, origin, vault
from latchkey.accounts import challenges, limits
from latchkey.accounts.limits import Asker
from latchkey.accounts.links import Purpose
from latchkey.store.session import db
from latchkey.upstream import arrivals
from latchkey.upstream.client import Person
from portal.auth.upstream import asking
from portal.auth.upstream.asking import Asked
from portal.guards import absolute

COOKIE = "upstream-person"
SALT = "upstream address"
LIFETIME = timedelta(minutes=30)


def ask(asked: Asked, person: Person) -> Response:
    """Write to the address, and let this browser alone go on by the letter. 429 after too many."""
    email = str(person.email)
    limits.letter(Purpose.VERIFY_EMAIL, email, Asker(origin.current.get().network), new=True)
    mark = credentials.opaque()
    token = str(vault.signer(SALT).dumps(mark))
    notices.address_to_prove(email, absolute("portal.show_address", token=token))
    db.commit()
    response = make_response(render_template("portal/upstream/address_sent.html", email=email))
    asking.over(response)
    if not asking.write(response, COOKIE, [mark, person, asked.next_path], LIFETIME):
        asking.write(response, COOKIE, [mark, person, None], LIFETIME)
    return response


def waiting(token: str) -> tuple[Person, str | None] | None:
    """Who waits in this browser for this letter, and where they were going."""
    try:
        mark = vault.signer(SALT).loads(token, max_age=int(LIFETIME.total_seconds()))
    except BadSignature:
        return None
    found: Any = asking.read(COOKIE, LIFETIME)
    if found is None or found[0] != mark:
        return None
    _, fields, next_path = found
    *named, issued_at, authenticated_at = fields
    moments = (datetime.fromisoformat(at) if at else None for at in (issued_at, authenticated_at))
    return Person(*named, *moments), next_path


def once(person: Person) -> None:
    """A letter links once, also after its link was taken off again. Raises `arrivals.NotLetIn`."""
    told = f"letter {person.issuer} {person.subject} {person.issued_at.isoformat()}"
    if not challenges.spend(told.encode(), LIFETIME):
        raise arrivals.NotLetIn(arrivals.USED)
