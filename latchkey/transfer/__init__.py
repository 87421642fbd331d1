"""Carrying a whole installation elsewhere."""
