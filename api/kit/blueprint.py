"""The blueprint of the API, which has every call: what declares nothing is closed, and browsers may ask first."""

from collections.abc import Callable
from typing import Any, ClassVar

from flask import Response, current_app

from web.calls import Calls

# Those that clients of MCP send stand last.
ASKED_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Mcp-Method, Mcp-Name, MCP-Protocol-Version"
)


def _preflight(**_ids: str) -> Response:
    """What a browser asks before an app on another origin may call; cookies are never part of it (Fetch §3.2)."""
    response = current_app.make_default_options_response()
    response.status_code = 204
    response.headers.update(
        {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": response.headers["Allow"],
            "Access-Control-Allow-Headers": ASKED_HEADERS,
            "Access-Control-Max-Age": "7200",
        }
    )
    del response.headers["Content-Type"]
    return response


class ApiBlueprint(Calls):
    """Views carry the mark of `auth.require_scope` or of `auth.public`; `closed` stands in for one without (H-05)."""

    all_are_calls = True
    closed: ClassVar[Callable[..., Any]]

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


blueprint = ApiBlueprint("api", __name__)
