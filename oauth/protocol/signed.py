"""How an app that signs proves itself; what it says of itself elsewhere is asked for again where that may be other."""

from latchkey.accounts.throttle import TooMany
from latchkey.clients import BadMetadata
from latchkey.clients.asking import NotAsked
from latchkey.clients.keys import proving
from latchkey.clients.keys.assertions import Assertion, BadAssertion
from latchkey.fetching import NotFetched
from latchkey.grants import documented
from oauth.protocol.parameters import Presented
from oauth.protocol.parties import NotProved, TooOften

NOT_NOW = "The address of the app's keys cannot be asked at this moment."
TOO_MANY = "Too many assertions of this app in a few minutes. Use tokens for longer."


def proved(sent: Presented) -> Presented:
    """The same, when its assertion has proved whose it is; it is used up. Raises `NotProved`, `TooOften`."""
    if sent.assertion is None:
        return sent
    try:
        return sent._replace(proof=_proof(sent.assertion))
    except BadAssertion as bad:
        raise NotProved(sent, str(bad)) from None
    except NotAsked:
        raise TooOften(proving.MOMENT_SECONDS, NOT_NOW) from None
    except (NotFetched, BadMetadata) as error:
        raise NotProved(sent, f"the app's metadata document cannot be used: {error}") from None
    except proving.NotNow as many:
        raise TooOften(many.wait, NOT_NOW) from None
    except TooMany as many:
        raise TooOften(many.wait, TOO_MANY) from None


def _proof(assertion: Assertion) -> str:
    try:
        return proving.prove(assertion)
    except proving.OutOfDate as old:
        documented.bring_keys_up_to_date(assertion.subject, proven=old.proven)
        return proving.prove(assertion, read_again=True)
