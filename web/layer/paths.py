"""Which calls may be answered where: told to the server in the application's extensions."""

from flask import Flask

from latchkey import settings
from latchkey.store import rates
from latchkey.store import session as db
from web.layer.dispatch import Dispatcher, Endpoint

# The paths of hot calls, of those that only read first, and of those among them that are answered where they arrive; of
# those that write, and may share a commit; and what tells of those that wait for a network what they will read.
HOT, READING, AT_ARRIVAL = "latchkey.hot", "latchkey.reading", "latchkey.at_arrival"
TOGETHER, FORESIGHTS = "latchkey.together", "latchkey.foresights"


def _counted(endpoint: Endpoint) -> bool:
    return hasattr(endpoint.view, "scopes") and settings.current().api_rate_limit is not None


def _never_waits(endpoint: Endpoint) -> bool:
    """Whether an endpoint may be asked where requests arrive: no network is between, and no counter elsewhere."""
    return endpoint.at_arrival and db.engines().embedded and not _counted(endpoint)


def _waits_for_one(endpoint: Endpoint) -> bool:
    """Whether one database elsewhere is all it waits for: no replica comes first, nor a counter of all processes."""
    one = not db.engines().embedded and db.engines().replica is None
    return one and not (_counted(endpoint) and rates.shared())


def tell(app: Flask, dispatcher: Dispatcher) -> None:
    """Put them there."""
    hot = app.extensions[HOT] = dispatcher.paths(lambda endpoint: endpoint.hot)
    reading = app.extensions[READING] = dispatcher.paths(lambda endpoint: endpoint.at_arrival)
    app.extensions[AT_ARRIVAL] = dispatcher.paths(_never_waits)
    app.extensions[TOGETHER] = hot - reading if db.engines().embedded else frozenset()
    app.extensions[FORESIGHTS] = dispatcher.foresights(_waits_for_one)
