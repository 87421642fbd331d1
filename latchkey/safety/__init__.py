"""Verbs over several nouns: locking a user down, shutting an app down, signing in, leaks."""
