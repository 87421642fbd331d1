"""/v1/tokens/<id>/usage: what a developer token did in the last 30 days, from the counts of its calls."""

from typing import Any

from api.kit import answers, auth
from api.kit.blueprint import blueprint
from api.kit.describe import Operation, Shape, describe, maybe, moment, text
from api.token_shapes import TOKEN_ID, own
from latchkey.journal.calls import use
from latchkey.journal.calls.places import CallPlace
from latchkey.journal.calls.use import Day
from latchkey.journal.refusals import Refusal
from latchkey.safety import least
from web.calls import Call, Reply

_COUNT = {"type": "integer", "minimum": 0}


def _counts(about: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _COUNT, "description": about}


def _rows(about: str, **columns: dict[str, Any]) -> dict[str, Any]:
    row = {"type": "object", "properties": columns, "required": list(columns), "additionalProperties": False}
    return {"type": "array", "items": row, "description": about}


USAGE = Shape(
    "TokenUsage",
    {
        "id": text("The token."),
        "counted_since": moment("Since when the counts below are whole, at most 30 days ago."),
        "days": _rows(
            "30 days in UTC, the oldest first. Answers that a guard or gateway remembered are not counted.",
            date={"type": "string", "format": "date"},
            calls=_COUNT,
            by_status=_counts("By what the token came to: 200 let pass, 401, 403 or 429."),
            by_scope=_counts("Of the calls that were let pass, by each scope that they took."),
        ),
        "scopes": _rows(
            "What the token may do, and when it was last used for it.",
            scope=text("The scope."),
            calls=_COUNT,
            last_used_at=maybe(moment("Null: not in the last 30 days.")),
        ),
        "places": _rows(
            "The latest addresses and programs, the newest first.",
            address=text("From where."),
            agent=text("What the program calls itself."),
            first_used_at=moment("When first."),
            last_used_at=moment("When last, to the minute."),
        ),
        "refusals": _rows(
            "The latest 50 refused calls, the newest first; those of a day that are alike are one.",
            at=moment("When last."),
            call=text("The call, without the ids in its path."),
            error=text("Why, as a word."),
            reason=text("Why, in words."),
            times=_COUNT,
            address=text("From where."),
        ),
    },
    {
        "id": "tok_01a2139af1fb000183aacc53ef39",
        "counted_since": "2026-10-25T00:00:00Z",
        "days": [
            {
                "date": "2026-11-23",
                "calls": 12,
                "by_status": {"200": 10, "403": 2},
                "by_scope": {"account:read": 10},
            }
        ],
        "scopes": [{"scope": "account:read", "calls": 10, "last_used_at": "2026-11-23T09:12:44.018264Z"}],
        "places": [
            {
                "address": "203.0.113.7",
                "agent": "curl/8.11.0",
                "first_used_at": "2026-11-01T09:12:44.018264Z",
                "last_used_at": "2026-11-23T09:12:44.018264Z",
            }
        ],
        "refusals": [
            {
                "at": "2026-11-23T09:12:40.118264Z",
                "call": "GET /v1/tokens",
                "error": "scope",
                "reason": "It lacks the scope tokens:read",
                "times": 2,
                "address": "203.0.113.7",
            }
        ],
    },
)


def _day(day: Day) -> dict[str, Any]:
    statuses = {str(status): number for status, number in sorted(day.statuses.items()) if number > 0}
    scopes = {scope: number for scope, number in sorted(day.scopes.items()) if number > 0}
    return {
        "date": day.day.isoformat(),
        "calls": day.answered + day.refused,
        "by_status": statuses,
        "by_scope": scopes,
    }


def _place(place: CallPlace) -> dict[str, Any]:
    return {
        "address": place.address,
        "agent": place.agent,
        "first_used_at": answers.moment(place.first_at),
        "last_used_at": answers.moment(place.last_at),
    }


def _refusal(one: Refusal) -> dict[str, Any]:
    return {
        "at": answers.moment(one.at),
        "call": one.call,
        "error": one.error,
        "reason": one.reason,
        "times": one.times,
        "address": one.address,
    }


@blueprint.get("/v1/tokens/<token_id>/usage")
@auth.require_scope("tokens:read")
@describe(
    Operation(
        summary="Show what a developer token was used for",
        group="Tokens",
        about="Counted at the API, at gateways and at introspection. The last few seconds may be missing.",
        answer="Its last 30 days.",
        shape=USAGE,
        parameters=(TOKEN_ID,),
    )
)
def show_token_usage(call: Call, token_id: str) -> Reply:
    """The counts of one of the user's developer tokens, also of one that has ended."""
    token = own(auth.user_of(call.bearer), token_id)
    seen = least.report(token)
    return answers.shown(
        {
            "id": token.id,
            "counted_since": answers.moment(seen.counted_from),
            "days": [_day(day) for day in seen.use.days],
            "scopes": [
                {"scope": scope.name, "calls": used.calls, "last_used_at": answers.moment(used.last_at)}
                for scope, used in seen.scopes
            ],
            "places": [_place(place) for place in use.places(token.id)],
            "refusals": [_refusal(one) for one in seen.refused],
        }
    )
