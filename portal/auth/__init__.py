"""Signing up, in and out, and what mailed links open."""

from portal.auth import fresh, invitation, late, recovery, reported, resume, second_factor, signin, signup, verification

__all__ = [
    "fresh",
    "invitation",
    "late",
    "recovery",
    "reported",
    "resume",
    "second_factor",
    "signin",
    "signup",
    "verification",
]
