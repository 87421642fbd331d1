"""Signing up, in and out, and what mailed links open."""

from portal.auth import late, recovery, resume, second_factor, signin, signup, verification

__all__ = ["late", "recovery", "resume", "second_factor", "signin", "signup", "verification"]
