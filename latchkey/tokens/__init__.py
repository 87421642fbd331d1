"""Tokens of every kind: developer tokens that users mint, access and refresh tokens that apps are issued."""

from latchkey.tokens import lifetimes, quota, ranges, traces
from latchkey.tokens.changes import LaterEnd, TokenEnded, bind, describe, end_in, narrow, shorten, widen
from latchkey.tokens.developer import (
    PAGE,
    AlreadyMinted,
    DescriptionTaken,
    Minted,
    Page,
    ScopeTooWide,
    UnverifiedEmail,
    children,
    every,
    get_for,
    mint,
    page,
    revoke_all,
    used_since,
)
from latchkey.tokens.lifetimes import LifetimeTooLong
from latchkey.tokens.lineage import DEEPEST, ChainTooLong, ParentEnded, hold
from latchkey.tokens.ranges import BadRange, RangeTooWide
from latchkey.tokens.record import LONGEST_DESCRIPTION, Token, find, last_issued, purge, revoke
from latchkey.tokens.renewal import NotItsOwn, Renewal, by_token, end_former, former, regenerate

__all__ = [
    "DEEPEST",
    "LONGEST_DESCRIPTION",
    "PAGE",
    "AlreadyMinted",
    "BadRange",
    "ChainTooLong",
    "DescriptionTaken",
    "LaterEnd",
    "LifetimeTooLong",
    "Minted",
    "NotItsOwn",
    "Page",
    "ParentEnded",
    "RangeTooWide",
    "Renewal",
    "ScopeTooWide",
    "Token",
    "TokenEnded",
    "UnverifiedEmail",
    "bind",
    "by_token",
    "children",
    "describe",
    "end_former",
    "end_in",
    "every",
    "find",
    "former",
    "get_for",
    "hold",
    "last_issued",
    "lifetimes",
    "mint",
    "narrow",
    "page",
    "purge",
    "quota",
    "ranges",
    "regenerate",
    "revoke",
    "revoke_all",
    "shorten",
    "traces",
    "used_since",
    "widen",
]
