"""Signing up, in and out, and what mailed links open."""

from portal.auth import invitation, late, recovery, resume, second_factor, signin, signup, verification

__all__ = ["invitation", "late", "recovery", "resume", "second_factor", "signin", "signup", "verification"]
