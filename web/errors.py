"""What people and programs are told when something is wrong: a page, a problem (RFC 9457) or an OAuth error."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import cast

from flask import Flask, Response, current_app, render_template, request
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from latchkey import origin
from latchkey.accounts.limits import QuotaReached
from latchkey.accounts.throttle import TooMany
from latchkey.store import postgres
from latchkey.store.session import db
from web import encoding, filters, problems
from web.layer import faults
from web.layer.wordings import FOR_PROGRAMS, FORMS_ALONE, STALE, WORDINGS, Wording

# Programs read these, but for those of `faults.OAUTH`.
PROBLEMS = ("/v1", "/mcp", "/.well-known", "/healthz", "/readyz")
RETRY_SECONDS = 5
# Fields that an answer never repeats.
SECRET_WORDS = ("password", "secret", "token", "code", "credential")
MOST_FIELDS = 60


def _wording(status: int, retry_after: int | None) -> Wording:
    known = WORDINGS.get(status) or WORDINGS[400 if status < 500 else 500]
    if status in FOR_PROGRAMS and request.path.startswith(faults.MACHINES):
        return replace(known, text=FOR_PROGRAMS[status])
    if status != 429:
        return known
    return Wording(known.title, known.text.format(seconds=_wait(retry_after)), known.symbol)


def _wait(seconds: int | None) -> str:
    """How long to wait, in the unit that people would use."""
    if seconds is None:
        return "a moment"
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds > 2 * length:
            return filters.plural(ceil(seconds / length), unit)
    return filters.plural(seconds, "second")


def _as_problem(status: int, wording: Wording) -> Response:
    request_id = origin.current.get().request_id
    body = problems.document(request.path, status, wording.title, wording.text, request_id)
    response = Response(encoding.readable(body), status, content_type="application/problem+json")
    if request.path.startswith(("/v1", "/mcp")):
        # Browser apps of any origin call the API, and read what it refuses.
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _as_oauth_error(status: int, wording: Wording) -> Response:
    body = faults.oauth_error(status, wording.title, wording.text)
    response = Response(json.dumps(body), status, content_type="application/json")
    response.headers["Pragma"] = "no-cache"
    return response


def _page_above() -> str:
    """The nearest page above an address that only forms are sent to: whoever opened that by hand goes on there."""
    routes, path = current_app.create_url_adapter(request), request.path
    while routes is not None and path:
        path = path.rpartition("/")[0]
        with contextlib.suppress(HTTPException):
            routes.match(path or "/", method="GET")
            return path
    return ""


def _as_page(status: int, wording: Wording, fields: list[tuple[str, str]] | None) -> Response:
    email, above = None, ""
    if status == 405 and request.method in ("GET", "HEAD"):
        above, wording = _page_above(), FORMS_ALONE
    if status == 403 and current_user.is_authenticated:
        email = current_user.user.email
    page = render_template(
        "error.html",
        status=status,
        wording=wording,
        email=email,
        above=above,
        fields=fields,
        reference=origin.current.get().request_id if status >= 500 else "",
    )
    return Response(page, status, content_type="text/html; charset=utf-8")


def _as_partial(status: int, wording: Wording) -> Response:
    """A swap that failed leaves the page as it is; the script says why."""
    said = f"{wording.title}. {wording.text}"
    trigger = json.dumps({"announce": {"value": said}})
    return Response(
        said,
        status,
        content_type="text/plain; charset=utf-8",
        headers={
            "HX-Reswap": "none",
            "HX-Trigger": trigger,
        },
    )


def answer(
    status: int,
    *,
    wording: Wording | None = None,
    retry_after: int | None = None,
    fields: list[tuple[str, str]] | None = None,
) -> Response:
    """The answer to a refused or failed request, in the form that its caller reads."""
    wording = wording or _wording(status, retry_after)
    if request.path == faults.GATEWAYS:
        response = Response(status=403, headers=[faults.NOT_NOW], content_type="text/plain; charset=utf-8")
    elif request.path.startswith(faults.OAUTH):
        response = _as_oauth_error(status, wording)
    elif request.path.startswith(PROBLEMS):
        response = _as_problem(status, wording)
    elif "HX-Request" in request.headers:
        response = _as_partial(status, wording)
    else:
        response = _as_page(status, wording, fields)
    response.headers["Cache-Control"] = "no-store"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _seconds(error: HTTPException) -> int | None:
    asked = getattr(error, "retry_after", None)
    return asked if isinstance(asked, int) else None


def on_http_error(error: HTTPException) -> BaseResponse:
    """A status that a view or the framework raised; its description may hold input and is left out."""
    if error.response is not None:
        return cast("BaseResponse", error.response)
    if error.code is None or error.code < 400:
        return error.get_response()
    response = answer(error.code, retry_after=_seconds(error))
    for name, value in error.get_headers(request.environ):
        if name == "Allow":
            response.headers[name] = value
    return response


def on_too_many(error: TooMany) -> BaseResponse:
    """Somebody has to wait."""
    db.rollback()
    wording = _wording(429, error.wait)
    return answer(429, wording=replace(wording, text=f"{wording.text} {error.way_out}".strip()), retry_after=error.wait)


def on_quota_reached(error: QuotaReached) -> BaseResponse:
    """There is no room for another."""
    db.rollback()
    return answer(409, wording=Wording("There is no room for another", str(error)))


def on_stale_form(_error: CSRFError) -> BaseResponse:
    """A form without a token that is good now. What was typed is kept, if the browser says that our page sent it."""
    typed: list[tuple[str, str]] | None = None
    ours = request.headers.get("Sec-Fetch-Site") == "same-origin"
    if ours and not request.path.startswith("/oauth/") and len(request.form) <= MOST_FIELDS:
        typed = [
            (name, value)
            for name, values in request.form.lists()
            if not any(word in name.lower() for word in SECRET_WORDS)
            for value in values
        ]
    return answer(400, wording=STALE, fields=typed)


def on_no_database(error: Exception) -> BaseResponse:
    """The database cannot be reached, or another writer held it for too long."""
    db.rollback()
    faults.report(error)
    return answer(503, retry_after=RETRY_SECONDS)


def on_internal_error(error: InternalError) -> BaseResponse:
    """A fault of ours, unless the database takes no writes, as one that has become a standby."""
    return on_no_database(error) if postgres.outdated(error.orig) else on_fault(error)


def on_bad_data(error: Exception) -> BaseResponse:
    """Text that the database cannot hold, such as NUL or half a surrogate pair (A-06)."""
    db.rollback()
    faults.report(error)
    return answer(400)


def on_fault(error: Exception) -> BaseResponse:
    """A fault of ours."""
    db.rollback()
    faults.report(error)
    return answer(500)


def register(app: Flask) -> None:
    """Handle every error of the application."""
    handlers: dict[type[Exception], Callable[..., BaseResponse]] = {
        HTTPException: on_http_error,
        CSRFError: on_stale_form,
        TooMany: on_too_many,
        QuotaReached: on_quota_reached,
        OperationalError: on_no_database,
        InterfaceError: on_no_database,
        InternalError: on_internal_error,
        # Hot paths run on the driver's own connection.
        sqlite3.OperationalError: on_no_database,
        **dict.fromkeys(postgres.absences(), on_no_database),
        PoolTimeout: on_no_database,
        DataError: on_bad_data,
        UnicodeError: on_bad_data,
        Exception: on_fault,
    }
    for kind, handler in handlers.items():
        app.register_error_handler(kind, handler)
