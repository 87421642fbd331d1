"""Signing up, in and out, and what mailed links open."""

from portal.auth import fresh, invitation, late, recovery, reported, resume, second_factor, signin, signup, verification
from portal.auth.upstream import arriving, connecting, ending, managing

__all__ = [
    "arriving",
    "connecting",
    "ending",
    "fresh",
    "invitation",
    "late",
    "managing",
    "recovery",
    "reported",
    "resume",
    "second_factor",
    "signin",
    "signup",
    "verification",
]
