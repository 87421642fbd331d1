"""Client ids that are addresses of metadata documents: which may be one here, as the setting and administrators say."""

from collections.abc import Iterable

from latchkey import settings
from latchkey.clients import redirects

LONGEST = 500
# Hosts that administrators listed, in this process.
_listed: set[str] = set()


def list_hosts(names: Iterable[str]) -> None:
    """Take over the hosts whose documents are read while the setting is `listed`."""
    _listed.clear()
    _listed.update(names)


def host(url: str) -> str:
    """The host of an address, with its port if it names one."""
    found = redirects.HTTP.fullmatch(url)
    return found[2] if found is not None else ""


def local(url: str) -> bool:
    """Whether this is an address without TLS that is let pass: of this machine, while developing."""
    return url.startswith("http://") and settings.current().development


def allowed(client_id: str) -> bool:
    """Whether this may be the id of an app, compared as it stands: an https address with a path (J-10).

    While developing also http on this machine.
    """
    how = settings.current().client_documents
    if how == "off" or len(client_id) > LONGEST or not client_id.startswith(("https://", "http://")):
        return False
    try:
        found = redirects.HTTP.fullmatch(redirects.check(client_id))
    except redirects.BadRedirectURI:
        return False
    if found is None or found[3] in ("", "/") or (found[1] == "http" and not local(client_id)):
        return False
    return how == "open" or found[2] in _listed
