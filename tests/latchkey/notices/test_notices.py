"""Each fact leaves its event and, where a person wants one, its letter; no letter can be turned against its reader."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from sqlalchemy import select

from latchkey import clock, credentials, grants, notices, origin
from latchkey.accounts import sessions
from latchkey.clients import Cause
from latchkey.journal.activity import Event, EventKind
from latchkey.settings import ROOT
from tests import factories

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LINK = "http://localhost/reset-password/one-time"
BEFORE = frozenset({"account:read"})
HOSTILE = "<b>Tom & 'Jerry'</b> see https://evil.example/x now or www.evil.example/y at evil.com"


@pytest.fixture
def stage(app, alice, bob):
    """Alice, a token of hers, Bob's app and an open browser, in a request from a browser."""
    token = factories.make_token(alice, description="Nightly backup", scopes={"account:read", "tokens:read"})
    client = factories.make_client(bob, name="Example").client
    with app.app_context():
        here = origin.current.set(origin.Origin("203.0.113.9", FIREFOX, "0123456789abcdef"))
        session = sessions.open(alice)
        yield {"user": alice, "token": token.token, "client": client, "session": session, "plaintext": token.plaintext}
        origin.current.reset(here)


# What happens, the event it leaves, and the subject of the letter about it with words that it holds.
ADMIN = origin.Actor(origin.Doer.ADMINISTRATOR, reason="Found in a log")
FACTS = {
    "signed_up": (lambda s: notices.signed_up(s["user"], LINK), EventKind.SIGNED_UP, "Confirm your e-mail", (LINK,)),
    "address_taken": (lambda s: notices.address_taken(s["user"]), None, "You already have an account", ("/login",)),
    "verification_asked": (lambda s: notices.verification_asked(s["user"], LINK), None, "Confirm your", (LINK,)),
    "email_verified": (lambda s: notices.email_verified(s["user"]), EventKind.EMAIL_VERIFIED, None, ()),
    "renamed": (lambda s: notices.renamed(s["user"]), EventKind.RENAMED, None, ()),
    "signed_in": (lambda s: notices.signed_in(s["user"], s["session"]), EventKind.SIGNED_IN, None, ()),
    "sign_in_failed": (lambda s: notices.sign_in_failed(s["user"]), EventKind.SIGN_IN_FAILED, None, ()),
    "sign_in_throttled": (lambda s: notices.sign_in_throttled(s["user"]), EventKind.SIGN_IN_THROTTLED, None, ()),
    "signed_out": (lambda s: notices.signed_out(s["user"]), EventKind.SIGNED_OUT, None, ()),
    "session_ended": (lambda s: notices.session_ended(s["user"], s["session"]), EventKind.SESSION_ENDED, None, ()),
    "proved_again": (lambda s: notices.proved_again(s["user"]), EventKind.REAUTHENTICATED, None, ()),
    "password_changed": (
        lambda s: notices.password_changed(s["user"]),
        EventKind.PASSWORD_CHANGED,
        "Your password was changed",
        ("203.0.113.9, Firefox on Linux", "/forgot-password"),
    ),
    "password_reset_asked": (
        lambda s: notices.password_reset_asked(s["user"], LINK),
        EventKind.PASSWORD_RESET_ASKED,
        "Choose a new password",
        (LINK, "30 minutes", "ignore it"),
    ),
    "password_reset": (
        lambda s: notices.password_reset(s["user"]),
        EventKind.PASSWORD_RESET,
        "Your password was changed",
        ("203.0.113.9, Firefox on Linux",),
    ),
    "account_deleted": (lambda s: notices.account_deleted(s["user"]), None, "Your account was deleted", ("203.0.113",)),
    "token_created": (
        lambda s: notices.token_created(s["user"], s["token"]),
        EventKind.TOKEN_CREATED,
        "New token",
        ("Nightly backup", "account:read, tokens:read", "Expires", "203.0.113.9, Firefox on Linux", "Revoke the token"),
    ),
    "token_changed": (
        lambda s: notices.token_changed(s["user"], s["token"], BEFORE),
        EventKind.TOKEN_CHANGED,
        None,
        (),
    ),
    "token_widened": (
        lambda s: notices.token_widened(s["user"], s["token"], BEFORE),
        EventKind.TOKEN_WIDENED,
        "may do more: Nightly backup",
        ("Nightly backup", "Added", "tokens:read", "203.0.113.9, Firefox on Linux"),
    ),
    "token_extended": (
        lambda s: notices.token_extended(s["user"], s["token"]),
        EventKind.TOKEN_EXTENDED,
        "works longer or from more places: Nightly backup",
        ("Nightly backup", "anywhere", "203.0.113.9, Firefox on Linux"),
    ),
    "token_disused": (lambda s: notices.token_disused(s["user"], s["token"]), EventKind.TOKEN_DISUSED, None, ()),
    "tokens_end": (
        lambda s: notices.tokens_end(s["user"], [s["token"]]),
        None,
        "Token expires in 90 days: Nightly backup",
        ("Nightly backup", "It was never used.", "/edit"),
    ),
    "several_tokens_end": (
        lambda s: notices.tokens_end(s["user"], [s["token"]] * 22),
        None,
        "Several tokens of yours expire soon",
        ("Nightly backup", "And 2 more tokens."),
    ),
    "tokens_disused": (
        lambda s: notices.tokens_disused(s["user"], [s["token"]], 120, s["token"].created_at),
        None,
        "Tokens that you do not use will end",
        ("Nightly backup", "never used", "120 days"),
    ),
    "token_regenerated": (
        lambda s: notices.token_regenerated(s["user"], s["token"]),
        EventKind.TOKEN_REGENERATED,
        "regenerated: Nightly backup",
        ("Nightly backup", "203.0.113.9, Firefox on Linux"),
    ),
    "token_revoked": (lambda s: notices.token_revoked(s["user"], s["token"]), EventKind.TOKEN_REVOKED, None, ()),
    "token_revoked_by_another": (
        lambda s: (origin.act(ADMIN), notices.token_revoked(s["user"], s["token"])),
        EventKind.TOKEN_REVOKED,
        "Token revoked: Nightly backup",
        ("Nightly backup", "an administrator", "Found in a log"),
    ),
    "all_tokens_revoked": (lambda s: notices.all_tokens_revoked(s["user"], 3), EventKind.TOKEN_REVOKED, None, ()),
    "token_reported": (
        lambda s: notices.token_reported(s["user"], s["token"]),
        EventKind.TOKEN_REPORTED,
        "Leaked token revoked: Nightly backup",
        ("Nightly backup", "was revoked at once"),
    ),
    "app_registered": (
        lambda s: notices.app_registered(s["user"], s["client"]),
        EventKind.APP_REGISTERED,
        "New app: Example",
        ("Example", "account:read", "203.0.113.9, Firefox on Linux"),
    ),
    "app_changed": (
        lambda s: notices.app_changed(s["user"], s["client"], ["name"]),
        EventKind.APP_CHANGED,
        None,
        (),
    ),
    "app_redirects_changed": (
        lambda s: notices.app_changed(s["user"], s["client"], ["redirect_uris"]),
        EventKind.APP_CHANGED,
        "Redirect URIs changed: Example",
        ("Example", "203.0.113.9, Firefox on Linux"),
    ),
    "app_secret_rotated": (
        lambda s: notices.app_secret_rotated(s["user"], s["client"]),
        EventKind.APP_SECRET_ROTATED,
        "secret",
        ("Example", "24 hours"),
    ),
    "app_keys_changed": (
        lambda s: notices.app_keys_changed(s["user"], s["client"]),
        EventKind.APP_KEYS_CHANGED,
        "Keys changed: Example",
        ("Example", "203.0.113.9, Firefox on Linux"),
    ),
    "app_secret_removed": (
        lambda s: notices.app_secret_removed(s["user"], s["client"]),
        EventKind.APP_SECRET_REMOVED,
        "secret",
        ("Example",),
    ),
    "app_deleted": (lambda s: notices.app_deleted(s["user"], s["client"]), EventKind.APP_DELETED, None, ()),
    "app_cut_off": (lambda s: notices.app_cut_off(s["user"], s["client"], 7), EventKind.APP_CUT_OFF, None, ()),
    "authorized_first": (
        lambda s: notices.authorized(s["user"], s["client"], BEFORE, first=True),
        EventKind.AUTHORIZED,
        "can now use your account",
        ("Example", "account:read", "/authorized-apps"),
    ),
    "authorized_again": (
        lambda s: notices.authorized(s["user"], s["client"], BEFORE, first=False),
        EventKind.AUTHORIZED,
        None,
        (),
    ),
    "authorization_denied": (
        lambda s: notices.authorization_denied(s["user"], s["client"]),
        EventKind.AUTHORIZATION_DENIED,
        None,
        (),
    ),
    "withdrawn_by_user": (
        lambda s: notices.authorization_withdrawn(s["user"], s["client"], by_user=True),
        EventKind.AUTHORIZATION_WITHDRAWN,
        None,
        (),
    ),
    "withdrawn_by_app": (
        lambda s: notices.authorization_withdrawn(s["user"], s["client"], by_user=False),
        EventKind.AUTHORIZATION_WITHDRAWN,
        "can no longer use your account",
        ("Example",),
    ),
    "disabled": (
        lambda s: notices.disabled(s["user"]),
        EventKind.USER_DISABLED,
        "Your account is suspended",
        ("By", "you"),
    ),
    "enabled": (lambda s: notices.enabled(s["user"]), EventKind.USER_ENABLED, "works again", ("/login",)),
    "app_suspended": (
        lambda s: notices.app_suspended(s["user"], s["client"], Cause.LEAK),
        EventKind.APP_SUSPENDED,
        "App suspended: Example",
        ("Example", "has leaked", "start the app again"),
    ),
    "app_restored": (
        lambda s: notices.app_restored(s["user"], s["client"]),
        EventKind.APP_RESTORED,
        "App works again: Example",
        ("Example",),
    ),
    "app_stopped": (
        lambda s: notices.app_stopped(s["user"], s["client"]),
        EventKind.AUTHORIZATION_STOPPED,
        "was suspended",
        ("Example", "/authorized-apps"),
    ),
    "code_replayed": (
        lambda s: notices.code_replayed(s["user"], s["client"]),
        EventKind.CODE_REPLAYED,
        "signed an app out",
        ("Example", "second time"),
    ),
    "refresh_replayed": (
        lambda s: notices.refresh_replayed(s["user"], s["client"]),
        EventKind.REFRESH_REPLAYED,
        "signed an app out",
        ("Example", "second time"),
    ),
    "refreshed_without_end": (
        lambda s: notices.refreshed_without_end(s["user"], s["client"]),
        EventKind.REFRESHED_WITHOUT_END,
        "signed an app out",
        ("Example", "again and again"),
    ),
}


class Plain(HTMLParser):
    """The words and links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.links, self.tags = "", [], set()
        self.feed(page)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.words += f" {data}" if self.lasttag != "style" else ""


@pytest.mark.standard("P-02")
@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_leaves_its_event_and_its_letter(stage, db, mailbox, fact):
    tell, kind, subject, words = FACTS[fact]

    tell(stage)
    db.commit()

    events = [event for event in db.scalars(select(Event)) if event.kind == kind]
    assert len(events) == (kind is not None)
    # From where an administrator works is not for those whom it concerns.
    address = "" if origin.current.get().actor == ADMIN else "203.0.113.9"
    assert all((event.user_id, event.address) == (stage["user"].id, address) for event in events)
    letters = mailbox.letters("alice@example.com")
    assert len(letters) == (subject is not None)
    for letter in letters:
        html = Plain(letter.html)
        assert subject in letter.subject
        assert not re.search(r"\n  \S.*\n(?=[^\s-])", letter.text), f"No line between facts and text:\n{letter.text}"
        assert all(word in " ".join(letter.text.split()) for word in words), letter.text
        assert all(word in html.words for word in words), html.words
        # P-06, I-05: whatever happens, nothing in a mail leads elsewhere or is a key.
        assert all(link.startswith("http://localhost") for link in html.links)
        assert all(link.startswith("http://localhost") for link in re.findall(r"\w+://\S*", letter.text))
        assert stage["plaintext"] not in letter.message.as_string()
        assert not html.tags & {"script", "img", "form", "iframe"}


def test_a_change_of_address_is_told_to_both(stage, db, mailbox):
    notices.email_change_asked(stage["user"], "new@example.com", LINK)
    db.commit()

    assert LINK in mailbox.last("new@example.com").text
    assert LINK not in mailbox.last("alice@example.com").text
    assert "new@example.com" in mailbox.last("alice@example.com").text

    stage["user"].email = "new@example.com"
    notices.email_changed(stage["user"], "alice@example.com")
    db.commit()

    assert "new@example.com" in mailbox.last("alice@example.com").text
    assert db.scalars(select(Event)).one().detail == {"old": "alice@example.com", "new": "new@example.com"}


def test_a_leaked_key_of_an_app_is_named_by_the_app(stage, db, mailbox):
    grant = grants.allow(stage["user"], stage["client"], BEFORE)
    token = factories.record_token(
        credentials.generate(credentials.Kind.ACCESS),
        kind=credentials.Kind.ACCESS,
        grant=grant,
        scopes=BEFORE,
        expires_at=clock.now() + timedelta(hours=1),
    )

    notices.token_reported(stage["user"], token)
    db.commit()

    assert "a token of the app Example" in mailbox.last().text
    assert mailbox.last().link("/authorized-apps") == "/authorized-apps"


@pytest.mark.standard("P-06")
def test_names_that_strangers_typed_cannot_steer_a_mail(stage, db, mailbox):
    stage["token"].description = HOSTILE[:80]
    stage["client"].name = HOSTILE[:60]

    notices.token_created(stage["user"], stage["token"])
    notices.authorized(stage["user"], stage["client"], BEFORE, first=True)
    db.commit()

    for letter in mailbox.letters():
        html = Plain(letter.html)
        assert "<b>Tom & 'Jerry'</b> see" in letter.text, "text is not escaped"
        assert "<b>Tom & 'Jerry'</b> see" in html.words, "HTML is"
        assert "evil.example" not in letter.message.as_string()
        assert "evil.example" not in letter.subject
    assert "Tom" not in mailbox.last().subject, "whoever made the app is a stranger to its users"


def test_a_name_that_looks_like_a_host_is_no_link(stage, db, mailbox):
    stage["client"].name = "Booking.com v1.2"

    notices.authorized(stage["user"], stage["client"], BEFORE, first=True)
    db.commit()

    assert "Booking.com" not in mailbox.last().text
    assert "Booking\N{ONE DOT LEADER}com v1.2" in mailbox.last().text


@pytest.mark.standard("P-06")
def test_subjects_hold_nothing_that_a_stranger_typed():
    own = {"token_created", "token_widened", "token_extended", "token_expires"}
    own |= {"token_regenerated", "token_reported", "token_revoked", "canary_tried", "tokens_revoked"}
    own |= {"passkey_added", "passkey_removed", "passkey_cloned"}
    own |= {path.parent.name for path in (ROOT / "templates" / "mail").glob("app_*/subject.txt")} - {"app_stopped"}
    subjects = list((ROOT / "templates" / "mail").glob("*/subject.txt"))

    assert len(subjects) > 15
    assert {path.parent.name for path in subjects if "{" in path.read_text()} == own


@pytest.mark.standard("P-06")
def test_every_letter_has_text_and_html():
    folders = [path for path in (ROOT / "templates" / "mail").iterdir() if path.is_dir()]

    assert {frozenset(file.name for file in folder.iterdir()) for folder in folders} == {
        frozenset({"subject.txt", "body.txt", "body.html"})
    }


def test_an_operator_at_the_command_line_is_named_as_such(app, db, alice, mailbox):
    with app.app_context():
        notices.token_created(alice, factories.make_token(alice).token)
        db.commit()

    assert "the operator's command line" in mailbox.last().text


@pytest.mark.parametrize(
    "agent, words",
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X) AppleWebKit/605 Version/18 Safari/605", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Version/18 Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537 Chrome/140 Mobile Safari/537", "Chrome on Android"),
        ("Mozilla/5.0 (X11; CrOS x86_64) AppleWebKit/537 Chrome/140 Safari/537", "Chrome on ChromeOS"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32", "python-requests"),
        ("https://evil.example/", "an unknown program"),
        ("", "an unknown program"),
    ],
)
def test_a_user_agent_is_told_in_plain_words(agent, words):
    assert notices.device(agent) == words
