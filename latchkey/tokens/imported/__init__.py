"""Tokens that another system made and that go on working here."""
