"""The administrators' place: see everything, stop anything."""

from portal.admin import activity, approvals, apps, find, index, invitations, mail, policies, resources, tokens, users

__all__ = [
    "activity",
    "approvals",
    "apps",
    "find",
    "index",
    "invitations",
    "mail",
    "policies",
    "resources",
    "tokens",
    "users",
]
