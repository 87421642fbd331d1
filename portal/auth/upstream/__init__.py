"""Signing in by the upstream: away and back, and what it ends."""
