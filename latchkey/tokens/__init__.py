"""Tokens of every kind: developer tokens that users mint, access and refresh tokens that apps are issued."""

from latchkey.tokens import lifetimes, traces
from latchkey.tokens.changes import TokenEnded, describe, former, narrow, regenerate, widen
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
from latchkey.tokens.record import LONGEST_DESCRIPTION, Token, find, last_issued, purge, revoke

__all__ = [
    "DEEPEST",
    "LONGEST_DESCRIPTION",
    "PAGE",
    "AlreadyMinted",
    "ChainTooLong",
    "DescriptionTaken",
    "LifetimeTooLong",
    "Minted",
    "Page",
    "ParentEnded",
    "ScopeTooWide",
    "Token",
    "TokenEnded",
    "UnverifiedEmail",
    "children",
    "describe",
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
    "regenerate",
    "revoke",
    "revoke_all",
    "traces",
    "used_since",
    "widen",
]
