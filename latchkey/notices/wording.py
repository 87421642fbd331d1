"""What letters say about people, programs and places: in plain words, and with nothing in it that leads elsewhere."""

import re
from collections.abc import Iterable

from latchkey import clock, origin, scopes, settings
from latchkey.accounts.sessions import BrowserSession, How
from latchkey.origin import Actor, Doer

# P-06: what a stranger typed as a name must not become a link in a mail that we sign.
ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*:/*|//|www\.)\S*[/.]\S*", re.IGNORECASE)
PLAIN = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[\w.~!$&'()*+,;=:@/?#%-]*)?", re.ASCII)
DOT_OF_HOST = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2})")
ONE_DOT_LEADER = "\N{ONE DOT LEADER}"

BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "FxiOS": "Firefox",
    "Firefox": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
PROGRAM = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}(?=/|\s|$)", re.ASCII)


def unlinked(text: str) -> str:
    """A name without addresses: whole ones go, and what looks like a host is no link for mail programs any more."""
    bare = " ".join(ADDRESS.sub("", text).split())
    return DOT_OF_HOST.sub(ONE_DOT_LEADER, bare) or "(a web address)"


def web_address(text: str) -> str:
    """An https address that a letter may name, empty for anything else: a scanner found it, nobody typed it to us."""
    return text if PLAIN.fullmatch(text) else ""


def device(agent: str) -> str:
    """What a User-Agent tells people: `Firefox on Linux`, `curl`."""
    browser = next((name for mark, name in BROWSERS.items() if mark in agent), None)
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), None)
    if browser:
        return f"{browser} on {system}" if system else browser
    program = PROGRAM.match(agent)
    return program.group() if program else "an unknown program"


HOW = {
    How.PASSWORD: "Password",
    How.CODE: "Password and a code",
    How.RECOVERY_CODE: "Password and a recovery code",
    How.SECOND_PASSKEY: "Password and a passkey",
    How.PASSKEY: "Passkey",
    How.LINK: "Link by mail",
    How.INVITATION: "Invitation",
    How.UPSTREAM: "{upstream}",
    How.UPSTREAM_FACTOR: "{upstream}, with a second factor there",
    How.UPSTREAM_STEP: "{upstream}, with a second factor here",
    How.UNKNOWN: "",
}
# The same within a sentence.
SIGNED_IN = {
    How.PASSWORD: "with your password",
    How.CODE: "with your password and a code",
    How.RECOVERY_CODE: "with your password and a recovery code",
    How.SECOND_PASSKEY: "with your password and a passkey",
    How.PASSKEY: "with a passkey",
    How.LINK: "by a mailed link",
    How.INVITATION: "by an invitation",
    How.UPSTREAM: "with {upstream}",
    How.UPSTREAM_FACTOR: "with {upstream} and a second factor there",
    How.UPSTREAM_STEP: "with {upstream} and a second factor here",
}
DOERS = {
    Doer.OWNER: "you",
    Doer.TOKEN: "your token {name}",
    Doer.APP: "the app {name}",
    Doer.ADMINISTRATOR: "an administrator",
    Doer.COMMAND_LINE: "an operator, by the command line",
    Doer.UPSTREAM: "a group of yours at {name}",
    Doer.OTHER: "somebody else",
}


def by(actor: Actor) -> str:
    """Who it was, for people: `you`, `your token “Nightly backup”`."""
    return DOERS[actor.doer].format(name=f"“{unlinked(actor.name)}”" if actor.name else actor.id)


def signed_in_by(session: BrowserSession) -> str:
    """By what a browser was signed in, for people."""
    upstream = settings.current().upstream or "An earlier upstream"
    return HOW[How(session.how)].format(upstream=upstream)


def signed_in_with(how: str) -> str:
    """By what somebody signed in, within a sentence: `with a passkey`; nothing where nobody knows."""
    upstream = settings.current().upstream or "an earlier upstream"
    return SIGNED_IN.get(How(how), "").format(upstream=upstream) if how in list(How) else ""


def here() -> dict[str, object]:
    """When this was, from where, by whom and for what reason, for the templates of letters."""
    address, agent, _, actor, _ = origin.current.get().told
    unseen = "the administration" if actor.doer is Doer.ADMINISTRATOR else "the operator's command line"
    return {
        "at": clock.now(),
        "place": f"{address}, {device(agent)}" if address else unseen,
        "by": by(actor),
        "reason": unlinked(actor.reason) if actor.reason else "",
    }


def listed(names: Iterable[str]) -> str:
    """Scopes in the catalogue's order, for people: `account:read, tokens:read`."""
    return ", ".join(scopes.serialize(names).split())
