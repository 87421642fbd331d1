"""What was done in an account, in a few words for each kind of event, whoever did it: for the report of everything."""

from collections.abc import Mapping

from latchkey.journal.activity import EventKind

WORDS: dict[str, str] = {
    EventKind.SIGNED_UP: "created the account",
    EventKind.EMAIL_VERIFIED: "verified the e-mail address",
    EventKind.EMAIL_CHANGED: "changed the e-mail address",
    EventKind.RENAMED: "changed the name",
    EventKind.SIGNED_IN: "signed in",
    EventKind.SIGN_IN_FAILED: "gave a wrong password",
    EventKind.SIGN_IN_THROTTLED: "gave too many wrong passwords",
    EventKind.CODE_FAILED: "gave a wrong code",
    EventKind.SIGNED_OUT: "signed out",
    EventKind.SESSION_ENDED: "signed out another browser",
    EventKind.SIGNED_OUT_UPSTREAM: "was signed out upstream",
    EventKind.REAUTHENTICATED: "showed once more who it is",
    EventKind.PASSWORD_CHANGED: "changed the password",
    EventKind.PASSWORD_RESET_ASKED: "asked for a link to choose a new password",
    EventKind.PASSWORD_RESET: "chose a new password by a mailed link",
    EventKind.SECOND_FACTOR_ON: "set up an authenticator app",
    EventKind.SECOND_FACTOR_OFF: "turned two-factor sign-in off",
    EventKind.AUTHENTICATOR_REMOVED: "removed the authenticator app",
    EventKind.PASSKEY_ADDED: "added a passkey",
    EventKind.PASSKEY_REMOVED: "removed a passkey",
    EventKind.PASSKEY_CLONED: "used a copy of a passkey",
    EventKind.RECOVERY_CODES_MADE: "made new recovery codes",
    EventKind.RECOVERY_CODE_USED: "used a recovery code",
    EventKind.IDENTITY_LINKED: "linked a sign-in",
    EventKind.IDENTITY_UNLINKED: "unlinked a sign-in",
    EventKind.EVERYTHING_ENDED: "ended everything",
    EventKind.PAUSED: "paused everything",
    EventKind.RESUMED: "resumed everything",
    EventKind.USER_DISABLED: "suspended the account",
    EventKind.USER_ENABLED: "ended the suspension of the account",
    EventKind.ADMINISTRATOR_MADE: "made an administrator",
    EventKind.ADMINISTRATOR_UNMADE: "took an administrator's role away",
    EventKind.APPROVAL_ASKED: "asked for an approval",
    EventKind.APPROVAL_GIVEN: "approved a request",
    EventKind.APPROVAL_REFUSED: "refused a request",
    EventKind.SIGNED_OUT_EVERYWHERE: "signed out all browsers",
    EventKind.TOKEN_CREATED: "created a token",
    EventKind.TOKEN_CHANGED: "changed a token",
    EventKind.TOKEN_WIDENED: "gave a token more scopes",
    EventKind.TOKEN_EXTENDED: "let a token work longer or from more places",
    EventKind.TOKEN_DISUSED: "ended a token that was not used",
    EventKind.TOKEN_REGENERATED: "regenerated a token",
    EventKind.TOKEN_REVOKED: "revoked a token",
    EventKind.TOKEN_REPORTED: "reported a token",
    EventKind.CANARY_MADE: "made a canary",
    EventKind.CANARY_REMOVED: "removed a canary",
    EventKind.CANARY_TRIED: "tried a canary",
    EventKind.APP_REGISTERED: "registered an app",
    EventKind.APP_CHANGED: "changed an app",
    EventKind.APP_SECRET_ROTATED: "rotated an app's secret",
    EventKind.APP_SECRET_REMOVED: "ended an app's old secret",
    EventKind.APP_KEYS_CHANGED: "changed an app's keys",
    EventKind.APP_SUSPENDED: "suspended an app",
    EventKind.APP_RESTORED: "let an app go on",
    EventKind.APP_DELETED: "deleted an app",
    EventKind.APP_CUT_OFF: "cut people off from an app",
    EventKind.AUTHORIZED: "authorized an app",
    EventKind.AUTHORIZATION_DENIED: "did not let an app in",
    EventKind.AUTHORIZATION_WITHDRAWN: "revoked the access of an app",
    EventKind.SIGN_IN_ENDED: "ended a sign-in of an app",
    EventKind.AUTHORIZATION_STOPPED: "suspended an authorized app",
    EventKind.CODE_REPLAYED: "used a code of an app twice",
    EventKind.REFRESH_REPLAYED: "used a refresh token of an app twice",
    EventKind.REFRESHED_WITHOUT_END: "refreshed a sign-in of an app without end",
}


def told(did: Mapping[str, int]) -> str:
    """What was done how often, the most frequent first: `Created a token (3), registered an app`; empty for nothing."""
    counted = sorted(did.items(), key=lambda each: -each[1])
    # A kind of a newer version is still told, after a step back to this one.
    words = [(WORDS.get(kind) or kind.replace(".", " ").replace("_", " "), count) for kind, count in counted]
    text = ", ".join(f"{word} ({count})" if count > 1 else word for word, count in words)
    return text[:1].upper() + text[1:]
