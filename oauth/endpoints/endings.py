"""/oauth/endings (contract 6a): what ended since a number, for resource servers that an administrator marked.

Their guards remember answers of /oauth/check and forget by this. It tells ids alone; what they are of, it does not say.
"""

import re
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qsl

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError

from latchkey.endings import guards
from latchkey.endings.feed import Part
from latchkey.endings.waiting import feed, waiting
from oauth.blueprint import blueprint
from oauth.protocol import answers, parameters, parties, settling
from oauth.protocol.parameters import Form, Presented
from oauth.protocol.party import Party
from oauth.protocol.settling import Body
from web import calls
from web.calls import Call, Later, Reply

PATH = "/oauth/endings"
LONGEST_WAIT = 25
LONGEST_QUERY = 1024
FORMS = {
    "after": re.compile("[0-9]{1,18}"),
    "wait": re.compile("[0-9]{1,4}"),
    "guard": re.compile("[A-Za-z0-9_.:-]{1,40}"),
}


class NotMarked(OAuth2Error):
    """The client authenticated, but no administrator marked it as a resource server."""

    error = "unauthorized_client"
    status_code = 403


@blueprint.get(PATH)
@calls.at_arrival
def endings(call: Call) -> Reply | Later:
    """Answered at once if anything ended after `after`, else when something does or `wait` seconds are over."""
    began = time.monotonic()
    try:
        asked = _asked(call)
        sent = parameters.presented({}, call.header("Authorization"))
        party = _marked(sent)
    except parties.Unproved as unproved:
        return partial(_proved, call, unproved, asked, began)
    except OAuth2Error as error:
        return partial(settling.refused, call, "endings", error)
    after, wait = int(asked.get("after", 0)), min(LONGEST_WAIT, int(asked.get("wait", 0)))
    part = _heard(party, asked)
    party.note_use_soon()
    if part.reset or part.endings or not wait:
        return _told(part, began)
    call.environ[calls.PARKED] = partial(waiting.wait, after, wait)
    return partial(_later, after, began)


@blueprint.post(PATH)
def endings_by_form(call: Call) -> Reply | Later:
    """The same with all parameters in a form, as apps send a secret there or sign: answered at once, whatever ended."""
    began = time.monotonic()

    def decide(_form: Form, sent: Presented) -> Callable[[], Body]:
        asked = _ours(parse_qsl(call.body.decode()))
        return partial(_at_once, _marked(sent), asked, began)

    return settling.answered(call, "endings", decide)


def _marked(sent: Presented) -> Party:
    """Raises `NotProved`, `NotMarked`."""
    party = parties.proved(sent, parties.PROVING_METHODS, "the endings")
    if not party.resource_server:
        raise NotMarked("An administrator has to mark the app as a resource server.")
    return party


def _heard(party: Party, asked: dict[str, str]) -> Part:
    """Note how far a guard has come, and answer what ended since."""
    after = int(asked.get("after", 0))
    part = feed.after(after)
    # Whoever has to start over has come nowhere, and a number that nobody gave it says nothing.
    if "guard" in asked and "after" in asked and not part.reset:
        guards.hear(party.id, asked["guard"], after)
    return part


def _at_once(party: Party, asked: dict[str, str], began: float) -> Body:
    party.note_use_soon()
    return _body(_heard(party, asked), began)


def _proved(call: Call, unproved: parties.Unproved, asked: dict[str, str], began: float) -> Reply:
    """The first poll of an app that moved in: its secret takes a while, so nothing else is waited for."""
    try:
        return answers.granted(_at_once(_marked(unproved.settled()), asked, began))
    except OAuth2Error as error:
        return settling.refused(call, "endings", error)


def _asked(call: Call) -> dict[str, str]:
    """The parameters of this endpoint. Raises `InvalidRequestError`."""
    query = call.environ.get("QUERY_STRING", "")
    if len(query) > LONGEST_QUERY:
        raise InvalidRequestError("The address is too long.")
    pairs = parse_qsl(query, keep_blank_values=True, errors="replace")
    if not parameters.KNOWN.isdisjoint(name for name, _ in pairs):
        raise InvalidRequestError("The app authenticates in the Authorization header, never in the address.")
    return _ours(pairs)


def _ours(pairs: list[tuple[str, str]]) -> dict[str, str]:
    names = [name for name, _ in pairs]
    asked = {name: value for name, value in pairs if name in FORMS and value}
    for name, form in FORMS.items():
        if names.count(name) > 1:
            raise InvalidRequestError(f"The parameter {name} appears more than once.")
        if name in asked and not form.fullmatch(asked[name]):
            raise InvalidRequestError(f"The parameter {name} is not what it has to be.")
    return asked


def _later(after: int, began: float) -> Reply:
    return _told(feed.after(after), began)


def _told(part: Part, began: float) -> Reply:
    return answers.granted(_body(part, began))


def _body(part: Part, began: float) -> Body:
    """`as_of`: so many seconds after the request came this was so, whatever the answer's way takes."""
    told = [ending._asdict() for ending in part.endings]
    body: Body = {"next": part.next, "reset": part.reset, "endings": told, "more": part.more}
    return body | {"as_of": round(part.at - began, 3)}
