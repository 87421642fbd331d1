"""Connections of the drivers, and how SQLite's is set up."""
