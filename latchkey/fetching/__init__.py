"""What is fetched from addresses that somebody else named, under guard (J-09)."""

from latchkey.fetching.guarded import NotFetched, fetch

__all__ = ["NotFetched", "fetch"]
