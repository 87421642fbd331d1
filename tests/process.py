"""What a process remembers: a test begins as in a new one, whatever its worker ran before."""

from itertools import count

from latchkey import ids
from latchkey.clients import document_urls, secrets
from latchkey.endings import guards, waiting
from latchkey.grants import documented
from latchkey.journal.calls import counting, places
from latchkey.naming import presets
from latchkey.safety import scanner_keys
from latchkey.store import prepared, rates
from latchkey.tokens import canaries, usage
from latchkey.upstream import provider

REMEMBERED = (
    *(counting._noted, counting._calls, counting._refused),
    *(usage._pending, canaries._pending, secrets._pending),
    *(guards._heard, guards._of_one, places._written, places._of_token),
    *(document_urls._listed, documented._asked, presets._named),
    *(provider._known, provider._waiting, scanner_keys._kept, scanner_keys._tried),
)


def begin() -> None:
    """Forget all that was noted of another database, and who did not answer a moment ago."""
    for kept in REMEMBERED:
        kept.clear()
    rates._store.cache_clear()
    rates._Process.away_until = rates._Process.told_at = prepared._Replica.away_until = float("-inf")
    waiting.feed.__init__()
    # Of ids of one millisecond it says which was first, and starts again after 65,536.
    ids._sequence = count()
