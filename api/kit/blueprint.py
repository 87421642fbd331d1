"""The blueprint that every view of this door hangs on: what declares nothing is closed, and browsers may ask first."""

from collections.abc import Callable
from typing import Any, ClassVar

from flask import Blueprint, Response, current_app, request


def _preflight(**_ids: str) -> Response:
    """What a browser asks before an app on another origin may call; cookies are never part of it (Fetch §3.2)."""
    response = current_app.make_default_options_response()
    response.status_code = 204
    response.headers.update(
        {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": response.headers["Allow"],
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match",
            "Access-Control-Max-Age": "7200",
        }
    )
    del response.headers["Content-Type"]
    return response


class Door(Blueprint):
    """Views carry the mark of `auth.require_scope` or of `auth.public`; `closed` stands in for one without (H-05)."""

    closed: ClassVar[Callable[..., Response]]

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,  # noqa: FBT001 - Flask's signature
        **options: Any,
    ) -> None:
        name = endpoint or getattr(view_func, "__name__", None)
        view = view_func if hasattr(view_func, "scopes") or hasattr(view_func, "public") else self.closed
        super().add_url_rule(rule, name, view, provide_automatic_options=False, **options)
        super().add_url_rule(rule, "preflight", _preflight, provide_automatic_options=False, methods=["OPTIONS"])


blueprint = Door("api", __name__)


# A report of 1,000 credentials, indented.
LONGEST_BODY = 256 * 1024


@blueprint.url_value_preprocessor
def allow_long_bodies(_endpoint: str | None, _values: dict[str, object] | None) -> None:
    """JSON may be longer than a form; how deep and how many is bounded where it is read."""
    request.max_content_length = LONGEST_BODY
