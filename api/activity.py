"""GET /v1/activity: what happened in a user's account."""

from typing import Any

from api.kit import answers, auth, paging
from api.kit.blueprint import blueprint
from api.kit.describe import CURSOR, LIMIT, Operation, Parameter, Shape, describe, flag, moment, text
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from web.calls import Call, Reply

GROUPS = tuple(dict.fromkeys(kind.partition(".")[0] for kind in EventKind))
EVENT = Shape(
    "Event",
    {
        "id": text("Never changes."),
        "kind": text("What happened: a group, a dot, and the fact."),
        "at": moment("When it happened."),
        "address": text("From which address; empty when it was not the user who did it."),
        "agent": text("What the program or browser calls itself."),
        "request_id": text("The X-Request-Id of the answer to it."),
        "suspicious": flag("Whether the user should look at it twice."),
        "detail": {"type": "object", "description": "Names and ids that belong to it, never a credential."},
    },
    {
        "id": "evt_01a2139af1fb0005e3f405162738",
        "kind": "token.created",
        "at": "2026-11-23T14:41:07.324410Z",
        "address": "203.0.113.7",
        "agent": "curl/8.11.0",
        "request_id": "4029e1191ca5c729",
        "suspicious": False,
        "detail": {
            "token_id": "tok_01a2139af1fb000183aacc53ef39",
            "description": "Deploy script",
            "last4": "7Hd2",
            "scopes": ["account:read", "tokens:read"],
        },
    },
)
GROUP = Parameter(
    "group",
    "query",
    "Only events whose kind begins with this.",
    {"type": "string", "enum": list(GROUPS)},
    "token",
)


def _shown(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "kind": event.kind,
        "at": answers.moment(event.at),
        "address": event.address,
        "agent": event.agent,
        "request_id": event.request_id,
        "suspicious": event.suspicious,
        "detail": event.detail,
    }


@blueprint.get("/v1/activity")
@auth.require_scope("activity:read")
@describe(
    Operation(
        summary="List events",
        group="Activity",
        answer="What happened in the account in the last 90 days, the newest first.",
        shape=EVENT,
        listed=True,
        parameters=(GROUP, LIMIT, CURSOR),
    )
)
def list_activity(call: Call) -> Reply:
    """A page of events, in one query."""
    user, asked = auth.user_of(call.bearer), paging.asked("evt")
    group = paging.choice("group", GROUPS, None)
    rows = activity.list_for(user, group=group, before=asked.after, limit=asked.limit + 1)
    return paging.page(rows, asked, _shown)
