"""What is fetched from addresses that somebody else named, under guard (J-09), and JSON that strangers wrote."""

from latchkey.fetching.guarded import NotFetched, fetch
from latchkey.fetching.strict import NotAnObject, read_object

__all__ = ["NotAnObject", "NotFetched", "fetch", "read_object"]
