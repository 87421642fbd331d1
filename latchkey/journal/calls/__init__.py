"""Calls that came with tokens: counted in memory, written every few seconds, read by those whose tokens they are."""
