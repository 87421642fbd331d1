"""The guides for connecting agents: what each is told, and what it says of itself."""

from portal.guides.agents import pages

__all__ = ["pages"]
