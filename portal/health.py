"""Whether this process lives, and whether it can work; for load balancers, without a word more."""

from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from latchkey.store import migrations, rates
from portal.blueprint import blueprint


def _answer(status: int, word: str) -> Response:
    return Response(
        f"{word}\n", status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )


@blueprint.get("/healthz")
def show_health() -> Response:
    """200 as long as requests are answered at all."""
    return _answer(200, "ok")


@blueprint.get("/readyz")
def show_readiness() -> Response:
    """200 when the database answers at a migration that this code works with, else 503.

    Without a store of limits calls go on uncounted, so it is named and no reason to send nobody here.
    """
    try:
        ready = migrations.serves(migrations.revision())
    except SQLAlchemyError:
        ready = False
    if not ready:
        return _answer(503, "not ready")
    return _answer(200, "ok" if rates.answers() else "ok, but API calls are not counted")
