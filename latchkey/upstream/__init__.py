"""Signing in by an upstream OpenID provider, of which this portal is a client."""
