"""/device: whoever typed a device's code is asked, whatever they let the app do before (Q-05)."""

from flask import Response, request
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, origin
from latchkey.accounts import limits
from latchkey.accounts.sessions import BrowserSession, SessionEnded
from latchkey.store.session import db
from latchkey.tokens.issued import device_answers, device_codes
from oauth.blueprint import blueprint
from oauth.device.question import answering, field, question

WRONG = "That code is not right, or it has expired. Look at your device again."
LONGEST_SHOWN = 12


@blueprint.get("/device")
def device() -> BaseResponse:
    """The field for the code. An address that names one fills it in, and looks nothing up (Q-05)."""
    here = answering()
    if not isinstance(here, BrowserSession):
        return here
    db.commit()
    named = device_codes.typed(request.args.get("user_code", ""))
    return field(device_codes.shown(named) if named else "")


@blueprint.post("/device")
def type_code() -> BaseResponse:
    """The code's question. Wrong ones are counted by who types them, by network and everywhere (Q-04). 429."""
    if not current_user.is_authenticated:
        raise SessionEnded
    tries = limits.user_code(current_user.user_id, origin.current.get().network)
    here = answering()
    if not isinstance(here, BrowserSession):
        return here
    sent = request.form.get("code", "")
    typed = device_codes.typed(sent)
    asked = _claimed(typed, here) if typed else None
    if asked is None:
        db.rollback()
        return field(device_codes.shown(typed) if typed else sent[:LONGEST_SHOWN], WRONG, 422)
    limits.was_a_device(tries)
    db.commit()
    return asked


def _claimed(typed: str, here: BrowserSession) -> Response | None:
    code = device_answers.look(typed)
    client = clients.hold(code.client_id) if code is not None else None
    if code is None or client is None or device_answers.over(code, client):
        return None
    return question(code, client, here)
