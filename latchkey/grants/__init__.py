"""Authorizations: what a user lets an app do; and grants: each sign-in of an app, parent of its code and tokens."""

from latchkey.grants.choices import LASTS, Choice, boxes, until
from latchkey.grants.listing import count_for, get_for, list_for, new_here, page_of, people, relied_on, used_since
from latchkey.grants.reasons import EndReason
from latchkey.grants.record import (
    ABSOLUTE,
    Authorization,
    Grant,
    allow,
    allows,
    end,
    find_authorization,
    withdraw,
    withdraw_all,
)
from latchkey.grants.sign_ins import end_one, end_own

__all__ = [
    "ABSOLUTE",
    "LASTS",
    "Authorization",
    "Choice",
    "EndReason",
    "Grant",
    "allow",
    "allows",
    "boxes",
    "count_for",
    "end",
    "end_one",
    "end_own",
    "find_authorization",
    "get_for",
    "list_for",
    "new_here",
    "page_of",
    "people",
    "relied_on",
    "until",
    "used_since",
    "withdraw",
    "withdraw_all",
]
