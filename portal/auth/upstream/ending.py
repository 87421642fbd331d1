"""/login/oidc/logout: the upstream ends sessions here by itself (OpenID Connect Back-Channel Logout)."""

import json
import logging

from flask import Response, abort, request

from latchkey import settings
from latchkey.store.session import db
from latchkey.upstream import endings, provider, tokens
from portal.blueprint import blueprint

log = logging.getLogger("latchkey.upstream")


def _answer(status: int, error: str = "") -> Response:
    body = json.dumps({"error": error}) if error else ""
    return Response(body, status, {"Cache-Control": "no-store"}, content_type="application/json")


@blueprint.post("/login/oidc/logout")
def end_sessions_upstream() -> Response:
    """End the sessions that the logout token is about, at once."""
    sent = request.form.getlist("logout_token")
    if settings.current().upstream is None:
        abort(404)
    try:
        endings.sign_out(sent[0] if len(sent) == 1 else None)
    except tokens.Refused as why:
        db.rollback()
        log.warning("a logout token is refused: %s", why)
        return _answer(400, "invalid_request")
    except provider.Away as away:
        db.rollback()
        log.warning("a logout token cannot be checked: %s", away)
        return _answer(503, "temporarily_unavailable")
    db.commit()
    return _answer(200)
