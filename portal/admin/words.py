"""What operators did, in words."""

from typing import NamedTuple

from latchkey import notices
from latchkey.journal.acts import Act, ActKind
from latchkey.origin import Doer

# What was done, its icon and colour.
WORDINGS = {
    ActKind.USER_INVITED: ("invited", "user-plus", ""),
    ActKind.INVITATION_TAKEN_BACK: ("took the invitation back of", "undo-2", ""),
    ActKind.USER_SUSPENDED: ("suspended the user", "ban", "bad"),
    ActKind.USER_RESTORED: ("restored the user", "undo-2", ""),
    ActKind.USER_DELETED: ("deleted the user", "trash-2", "bad"),
    ActKind.USER_SIGNED_OUT: ("signed out everywhere the user", "log-out", ""),
    ActKind.ADMINISTRATOR_MADE: ("made an administrator of", "shield-check", "warn"),
    ActKind.ADMINISTRATOR_UNMADE: ("took the role of an administrator from", "undo-2", "warn"),
    ActKind.SECOND_FACTOR_RESET: ("reset the two-factor sign-in of", "shield-alert", "warn"),
    ActKind.APP_SUSPENDED: ("suspended the app", "ban", "bad"),
    ActKind.APP_RESTORED: ("restored the app", "undo-2", ""),
    ActKind.APP_DELETED: ("deleted the app", "trash-2", "bad"),
    ActKind.APP_TRUSTED: ("trusted the app", "shield-check", "warn"),
    ActKind.APP_DISTRUSTED: ("took the trust from the app", "undo-2", ""),
    ActKind.APP_MARKED: ("marked as a resource server the app", "server", "warn"),
    ActKind.APP_UNMARKED: ("took the mark of a resource server from the app", "undo-2", ""),
    ActKind.APP_SECRET_ROTATED: ("rotated the secret of the app", "rotate-cw", ""),
    ActKind.APP_PINNED: ("pinned the copy of the document of the app", "lock", ""),
    ActKind.APP_UNPINNED: ("let the app follow its document again", "rotate-cw", ""),
    ActKind.APP_KEYS_CHANGED: ("changed the keys of the app", "key-round", ""),
    ActKind.TOKEN_REVOKED: ("revoked the token", "ban", "bad"),
    ActKind.AUTHORIZATION_WITHDRAWN: ("revoked the access of", "ban", "bad"),
    ActKind.APPROVAL_GIVEN: ("approved the request of", "user-check", "ok"),
    ActKind.APPROVAL_REFUSED: ("refused the request of", "ban", "bad"),
    ActKind.CREDENTIAL_FOUND: ("looked up a credential of", "scan-line", ""),
    ActKind.POLICIES_CHANGED: ("changed the policy", "sliders-horizontal", "warn"),
    ActKind.IMPORTED: ("imported", "download", "warn"),
    ActKind.LETTERS_RETRIED: ("had letters tried again:", "mail", ""),
}


class Told(NamedTuple):
    """One act in words: who, what, to whom; from where and why."""

    act: Act
    who: str
    did: str
    symbol: str
    tone: str
    place: str


def of(act: Act, reader_id: str) -> Told:
    """The act as an administrator reads it."""
    wording = (act.kind.replace(".", " ").replace("_", " "), "activity", "")
    did, symbol, tone = WORDINGS.get(ActKind(act.kind), wording) if act.kind in set(ActKind) else wording
    who = "The command line" if act.doer == Doer.COMMAND_LINE else act.actor_name or "Somebody"
    if act.actor_id == reader_id:
        who = "You"
    place = f"{act.address}, {notices.device(act.agent)}" if act.address else "On the host"
    return Told(act, who, did, symbol, tone, place)
