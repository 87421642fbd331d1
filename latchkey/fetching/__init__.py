"""What is fetched from addresses that somebody else named, under guard (J-09), and JSON that strangers wrote."""

from latchkey.fetching.bounded import NotFetched
from latchkey.fetching.guarded import Answer, ask, fetch
from latchkey.fetching.strict import NotAnObject, NotJson, read_object

__all__ = ["Answer", "NotAnObject", "NotFetched", "NotJson", "ask", "fetch", "read_object"]
