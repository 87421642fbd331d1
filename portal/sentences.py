"""What happened in an account, in words: a sentence for each kind of event."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from flask import url_for

from latchkey import domains, notices, texts
from latchkey.clients import Cause, Client
from latchkey.journal.activity import Event, EventKind
from latchkey.origin import Doer


class Wording(NamedTuple):
    """How events of one kind read: a sentence with the name of what they tell of, an icon and its colour."""

    text: str
    symbol: str
    tone: str = ""


class Sentence(NamedTuple):
    """One event in words. `name` stands between `start` and `end` and leads to `url`, where there is one."""

    start: str
    name: str
    end: str
    url: str
    symbol: str
    tone: str
    place: str
    advice: tuple[str, str] | None

    @property
    def text(self) -> str:
        return self.start + texts.apart(self.name) + self.end


NAME = "{name}"
WORDINGS: dict[str, Wording] = {
    EventKind.SIGNED_UP: Wording("You created your account", "user-plus", "ok"),
    EventKind.EMAIL_VERIFIED: Wording("You verified your e-mail address", "mail-check"),
    EventKind.EMAIL_CHANGED: Wording("Your e-mail address changed from {old} to {new}", "mail", "warn"),
    EventKind.RENAMED: Wording("You changed your name", "pencil"),
    EventKind.SIGNED_IN: Wording("You signed in", "log-in"),
    EventKind.SIGN_IN_FAILED: Wording("Somebody tried to sign in with a wrong password", "triangle-alert", "warn"),
    EventKind.SIGN_IN_THROTTLED: Wording("Too many wrong passwords stopped sign-in", "shield-alert", "warn"),
    EventKind.CODE_FAILED: Wording("Somebody with your password gave a wrong code", "triangle-alert", "warn"),
    EventKind.SIGNED_OUT: Wording("You signed out", "log-out"),
    EventKind.SESSION_ENDED: Wording("You signed out another browser", "log-out"),
    EventKind.SIGNED_OUT_UPSTREAM: Wording("Your sessions here were ended by {name}", "log-out"),
    EventKind.REAUTHENTICATED: Wording("You showed once more that it is you", "lock"),
    EventKind.PASSWORD_CHANGED: Wording("You changed your password", "lock", "ok"),
    EventKind.PASSWORD_RESET_ASKED: Wording("Somebody asked for a link to choose a new password", "mail"),
    EventKind.PASSWORD_RESET: Wording("You chose a new password by a mailed link", "lock", "ok"),
    EventKind.SECOND_FACTOR_ON: Wording("You set up an authenticator app", "lock", "ok"),
    EventKind.SECOND_FACTOR_OFF: Wording("You turned two-factor sign-in off", "shield-alert", "warn"),
    EventKind.AUTHENTICATOR_REMOVED: Wording("You removed the authenticator app", "lock", "warn"),
    EventKind.PASSKEY_ADDED: Wording("You added the passkey {name}", "fingerprint", "ok"),
    EventKind.PASSKEY_REMOVED: Wording("You removed the passkey {name}", "fingerprint", "warn"),
    EventKind.PASSKEY_CLONED: Wording("A copy of the passkey {name} was used, and refused", "triangle-alert", "bad"),
    EventKind.RECOVERY_CODES_MADE: Wording("You made new recovery codes", "lock", "ok"),
    EventKind.RECOVERY_CODE_USED: Wording("A recovery code was used", "lock", "warn"),
    EventKind.IDENTITY_LINKED: Wording("You can sign in with {name} now, as {identity}", "building-2", "ok"),
    EventKind.IDENTITY_UNLINKED: Wording("You unlinked {name}, where you are {identity}", "building-2", "warn"),
    EventKind.EVERYTHING_ENDED: Wording("You ended everything that acted for you", "shield-alert", "bad"),
    EventKind.PAUSED: Wording("You paused everything that acts for you", "circle-pause", "warn"),
    EventKind.RESUMED: Wording("You let everything act for you again", "play", "ok"),
    EventKind.USER_DISABLED: Wording("You suspended your account", "user-x", "bad"),
    EventKind.USER_ENABLED: Wording("You ended the suspension of your account", "user-plus", "ok"),
    EventKind.APPROVAL_ASKED: Wording("You asked an administrator to approve {asked} for {name}", "hourglass"),
    EventKind.APPROVAL_GIVEN: Wording("What {name} asked for was approved: {asked}", "user-check", "ok"),
    EventKind.APPROVAL_REFUSED: Wording("What {name} asked for was refused: {asked}", "ban", "warn"),
    EventKind.ADMINISTRATOR_MADE: Wording("Your account became an administrator’s", "shield-check", "warn"),
    EventKind.ADMINISTRATOR_UNMADE: Wording("Your account is no administrator’s any more", "undo-2"),
    EventKind.SIGNED_OUT_EVERYWHERE: Wording("All your browsers were signed out", "log-out"),
    EventKind.TOKEN_CREATED: Wording("You created the token {name}", "key-round", "ok"),
    EventKind.TOKEN_CHANGED: Wording("You changed the token {name}{scopes}", "square-pen"),
    EventKind.TOKEN_WIDENED: Wording("You gave the token {name} more scopes{scopes}", "shield-alert", "warn"),
    EventKind.TOKEN_EXTENDED: Wording("You let {name} work longer or from more places", "shield-alert", "warn"),
    EventKind.TOKEN_DISUSED: Wording("{name} was not used for long, so it was ended", "clock", "warn"),
    EventKind.TOKEN_REGENERATED: Wording("You regenerated the token {name}", "rotate-cw"),
    EventKind.TOKEN_REVOKED: Wording("You revoked the token {name}", "ban", "bad"),
    EventKind.TOKEN_REPORTED: Wording("{name} was found and reported, so it was revoked", "shield-alert", "warn"),
    EventKind.CANARY_MADE: Wording("You made the canary {name}", "key-round", "ok"),
    EventKind.CANARY_REMOVED: Wording("You removed the canary {name}", "trash-2"),
    EventKind.CANARY_TRIED: Wording("Somebody tried your canary {name}", "shield-alert", "bad"),
    EventKind.APP_REGISTERED: Wording("You registered the app {name}", "blocks", "ok"),
    EventKind.APP_CHANGED: Wording("You changed the {changes} of the app {name}", "square-pen"),
    EventKind.APP_SECRET_ROTATED: Wording("You rotated the secret of {name}", "rotate-cw", "ok"),
    EventKind.APP_SECRET_REMOVED: Wording("You ended an old secret of {name}", "ban"),
    EventKind.APP_KEYS_CHANGED: Wording("You changed the keys of {name}", "key-round", "ok"),
    EventKind.APP_SUSPENDED: Wording("You suspended the app {name}{cause}", "ban", "bad"),
    EventKind.APP_RESTORED: Wording("You let the app {name} go on", "rotate-cw", "ok"),
    EventKind.APP_DELETED: Wording("You deleted the app {name}", "trash-2", "bad"),
    EventKind.APP_CUT_OFF: Wording("You cut off {people} from {name}", "users", "bad"),
    EventKind.AUTHORIZED: Wording("You authorized {name} to use {scopes}", "plug-zap", "ok"),
    EventKind.AUTHORIZATION_DENIED: Wording("You did not let {name} use your account", "ban"),
    EventKind.AUTHORIZATION_WITHDRAWN: Wording("{who} the access of {name}", "undo-2"),
    EventKind.SIGN_IN_ENDED: Wording("You ended a sign-in of {name}", "log-out"),
    EventKind.AUTHORIZATION_STOPPED: Wording("{name}, which you authorized, was suspended", "ban"),
    EventKind.CODE_REPLAYED: Wording("A code of {name} was used twice: that sign-in ended", "shield-alert", "warn"),
    EventKind.REFRESH_REPLAYED: Wording(
        "A refresh token of {name} came twice: its sign-in ended", "shield-alert", "warn"
    ),
    EventKind.REFRESHED_WITHOUT_END: Wording("{name} refreshed too often and was signed out", "shield-alert", "warn"),
}
YOU = "You "
# Who it was, where it was not the person who reads it.
DOERS = {
    Doer.TOKEN: "Your token {name}",
    Doer.APP: "The app {name}",
    Doer.ADMINISTRATOR: "An administrator",
    Doer.COMMAND_LINE: "An operator, by the command line,",
    Doer.UPSTREAM: "A group of yours at {name}",
    Doer.OTHER: "Somebody else",
}
ENDERS = {"user": "You revoked", "operator": "An administrator revoked"}
CAUSES = {
    Cause.OWNER: " with your account",
    Cause.LEAK: ", because a token that made or changed it has leaked",
    Cause.HACKED: ", because somebody was in your account",
}
# What the log calls the settings of an app.
CHANGES = {
    "trusted": "trust",
    "resource_server": "introspection",
    "homepage": "homepage",
    "redirect_uris": "redirect URIs",
    "scope": "scopes",
    "waiting_scope": "scopes that wait for an administrator",
    "optional_scope": "optional scopes",
    "pkce_required": "PKCE",
    "device_flow": "sign-in of devices",
}


def of(event: Event) -> Sentence:
    """The event as its owner reads it."""
    detail: Mapping[str, Any] = event.detail
    # An event of a newer version is still told, after a step back to this one.
    wording = WORDINGS.get(event.kind) or Wording(event.kind.replace(".", ": ").replace("_", " "), "activity")
    text = _text(event, wording.text)
    before, _, after = text.partition(NAME)
    start = _done_by(detail, _filled(before, detail))
    end = _filled(after, detail) + _reason(detail)
    name = _name(detail) if NAME in text else ""
    place, advice = _place(event), _advice(event) if event.suspicious else None
    return Sentence(start, name, end, _url(event), wording.symbol, wording.tone, place, advice)


def _text(event: Event, text: str) -> str:
    if event.kind == EventKind.TOKEN_REVOKED and "count" in event.detail:
        every = "all your tokens: " + ("{count}" if event.detail["count"] else "there were none")
        return "You revoked " + ("{tokens}" if "selected" in event.detail else every)
    if event.kind == EventKind.TOKEN_REVOKED and "former" in event.detail:
        text = "You ended the former token of {name}"
    if event.kind == EventKind.TOKEN_REVOKED and "suspended" in event.detail:
        return text + ", which had leaked"
    if event.kind == EventKind.SIGN_IN_FAILED and "suspended" in event.detail:
        return "Somebody tried to sign in while the account was suspended"
    return text


def _done_by(detail: Mapping[str, Any], start: str) -> str:
    """The beginning of a sentence about what somebody did, with their name instead of the reader's."""
    actor = detail.get("actor", {})
    doer = DOERS.get(actor.get("doer"))
    if doer is None or not start.startswith(YOU):
        return start
    name = actor.get("name")
    return f"{doer.format(name=f'“{texts.apart(name)}”' if name else actor.get('id', ''))} {start.removeprefix(YOU)}"


def _reason(detail: Mapping[str, Any]) -> str:
    """Why an operator did it, if they said so."""
    reason = detail.get("actor", {}).get("reason")
    return f". Reason: {texts.apart(reason)}" if reason else ""


def _name(detail: Mapping[str, Any]) -> str:
    return str(detail.get("description") or detail.get("app") or detail.get("name") or "one without a name")


def _filled(part: str, detail: Mapping[str, Any]) -> str:
    if "{" not in part:
        return part
    return part.format_map(
        {
            "old": domains.shown_address(detail.get("old", "")),
            "new": domains.shown_address(detail.get("new", "")),
            "count": f"{detail.get('count', 0):,}",
            "tokens": _counted(int(detail.get("count", 0)), "token", "tokens"),
            "people": _counted(int(detail.get("count", 0)), "person", "people"),
            "changes": _listed([CHANGES.get(name, name) for name in detail.get("changes", ())] or ["settings"]),
            "scopes": _scopes(detail),
            "identity": detail.get("identity", ""),
            "asked": ", ".join(detail.get("asked", ())),
            "cause": CAUSES.get(detail.get("cause", ""), ""),
            "who": ENDERS.get(detail.get("by", ""), "The people who run it ended"),
        }
    )


def _scopes(detail: Mapping[str, Any]) -> str:
    if "scopes" in detail:
        return _counted(len(detail["scopes"]), "scope", "scopes")
    parts = [f"{verb} {_listed(detail[verb])}" for verb in ("added", "removed") if detail.get(verb)]
    return f": {' and '.join(parts)}" if parts else ""


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _url(event: Event) -> str:
    """Where the thing is now; nothing leads to what was deleted."""
    if event.kind == EventKind.APP_DELETED:
        return ""
    if event.group == "app":
        return url_for("portal.show_app", client_id=event.detail["client_id"])
    if event.group == "token" and event.detail.get("token_kind", "dev") == "dev" and "token_id" in event.detail:
        return url_for("portal.show_token", token_id=event.detail["token_id"])
    return ""


def _place(event: Event) -> str:
    if event.address:
        return f"{event.address}, {notices.device(event.agent)}"
    return "" if not event.agent else event.agent[:1].upper() + event.agent[1:]


def _advice(event: Event) -> tuple[str, str]:
    """What to do about something suspicious: words and where."""
    if event.group == "authorization":
        return "Review authorized apps", url_for("portal.list_authorized_apps")
    if event.kind == EventKind.CANARY_TRIED:
        return "Look at your canaries", url_for("portal.list_canaries")
    if event.group == "token":
        return "Create another token", url_for("portal.new_token")
    return "Not you? Change your password", url_for("portal.settings")


def named(apps: Iterable[Client]) -> str:
    """The names of some apps, to be told."""
    return _listed([f"“{texts.apart(app.name)}”" for app in apps])
