"""Signing in, in steps: a password, counted before it is looked at (L-05), then the second factor, then a session."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select

from latchkey import clock, ids, notices, origin
from latchkey.accounts import emails, limits, links, passwords, second_factors, sessions, steps, throttle, users
from latchkey.accounts.limits import Tries
from latchkey.accounts.links import Link, Purpose
from latchkey.accounts.sessions import BrowserSession, Confirmed, How
from latchkey.accounts.steps import Step
from latchkey.accounts.throttle import Counter, TooMany
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from latchkey.store.session import db

VERIFY = Purpose.VERIFY_EMAIL
# How long after it was made an account without a sign-in on record counts as new; later it was merely unused.
FIRST_DAY = timedelta(days=1)
# How many of the latest events are searched for the last sign-in.
MOST_READ = 500


RESET_HELPS = "If the account is yours, choose “Forgot password?” instead: a new password lets you in at once."


class Proof(NamedTuple):
    """Whose password was given, at which epoch, what counted it, and a newer hash of it if the kept one is outdated."""

    user: User
    epoch: int
    tries: Tries
    rehashed: str | None


def _unknown(_user: User | None) -> None:
    return None


def attempt(email: str, password: str, known: Callable[[User | None], str | None] = _unknown) -> Proof | None:
    """Whose password this is; None after leaving a trace. `known` names the browser, if it opened this account before.

    Raises `TooMany`, which may leave a trace too: whoever calls commits in any case. It is counted for good before the
    password is looked at: of guesses made at one time no more are heard than of as many in a row, and no crash forgets.
    """
    # One lookup, whether there is an account or not and whatever the browser knows, so timing tells nothing (L-04).
    user = users.find_by_email(email)
    tries = _counted(email, user, known)
    with _looked_at(user.id if user is not None else emails.key(email), *tries.own, *tries.shared):
        user = users.authenticate(user, password)
    if user is None:
        told = limits.tell_failure(email)
        with users.alike(users.find_by_email(email) if told else None) as owner:
            notices.sign_in_failed(owner)
        return None
    rehashed = passwords.hash(password) if passwords.outdated(user.password_hash) else None
    return Proof(user, user.epoch, tries, rehashed)


def _counted(email: str, user: User | None, known: Callable[[User | None], str | None]) -> Tries:
    network = origin.current.get().network
    try:
        return limits.sign_in(email, network=network, device=known(user))
    except TooMany as many:
        # Strangers make up addresses: of a try at an unknown one only its network leaves a trace.
        if limits.tell_throttling(email if user is not None else network) and user is not None:
            notices.sign_in_throttled(user)
        raise TooMany(many.wait, RESET_HELPS) from None


@contextmanager
def _looked_at(whose: str, *counted: Counter) -> Iterator[None]:
    """One password of an account among few, after it was counted: what strangers try too often takes nobody's place.

    Raises `TooMany`; what was not looked at was no guess.
    """
    try:
        with passwords.few(whose):
            yield
    except TooMany:
        throttle.refund(*counted)
        raise


def enter(proof: Proof, pressed: Sequence[str] = ()) -> tuple[BrowserSession | Step, Tries]:
    """Open a session for whoever gave the password, or the step that owes the second factor; which tries were right.

    `pressed` are ids of links whose button was pressed in this browser: now that its password was given here too, a
    link for this user proves the address. Raises `sessions.NotOpened`.
    """
    user = held(proof.user, proof.epoch)
    if proof.rehashed is not None:
        user.password_hash = proof.rehashed
    if not user.verified and any(_proves(link, user) for link in links.among(pressed, VERIFY)):
        prove_address(user)
        sessions.end_all(user)
    opened = open_for(user, How.PASSWORD)
    # Where a second factor is owed, the tries stay counted: the password alone cannot begin sign-ins without end.
    return opened, proof.tries if isinstance(opened, BrowserSession) else proof.tries._replace(own=())


def held(user: User, epoch: int) -> User:
    """The user, locked, if what was proved at an epoch still counts. Raises `sessions.NotOpened`."""
    held = users.lock(user.id)
    if held is None or held.disabled_at is not None or held.epoch != epoch:
        raise sessions.NotOpened
    return held


def open_for(
    user: User, how: How, authenticated_at: datetime | None = None, confirmed: Confirmed | None = None
) -> BrowserSession | Step:
    """What a first proof opens, whatever it was: a session only where no second factor is owed. The user is locked.

    `confirmed` is the upstream's word, where that was the proof. Raises `identities.UpstreamFirst`.
    """
    if second_factors.protects(user):
        return steps.begin(user, confirmed)
    return opened(user, how, authenticated_at, confirmed)


def opened(
    user: User, how: How, authenticated_at: datetime | None = None, confirmed: Confirmed | None = None
) -> BrowserSession:
    """The session of somebody who owes nothing more. The user is locked. Raises `identities.UpstreamFirst`."""
    resting = confirmed or identities.needed(user)
    session = sessions.open(user, how=how, authenticated_at=authenticated_at, confirmed=resting)
    notices.signed_in(user, session)
    return session


def confirm(here: BrowserSession, password: str) -> bool:
    """Whether this is the password of somebody who is signed in; if not, there is a trace for the caller to commit.

    Raises `TooMany`.
    """
    user = here.user
    counted = limits.password(user, here.id)
    with _looked_at(user.id, *counted):
        if passwords.verify(user.password_hash, password):
            throttle.reset(*counted)
            return True
    notices.sign_in_failed(user)
    return False


def is_first(user: User) -> bool:
    """Whether the sign-in of now is the account's first: no other browser was ever here."""
    if user.created_at <= clock.now() - FIRST_DAY:
        return False
    return len(activity.latest(user, EventKind.SIGNED_IN, 2)) < 2


class SignIn(NamedTuple):
    """When somebody signed in, by what (`How`, of a newer version too), and from where."""

    at: datetime
    how: str
    address: str
    agent: str


def other_than(here: BrowserSession) -> SignIn | None:
    """The last sign-in to the account of a session but the session's own; None: none is on record.

    Of a week it is among the sessions, which are few. Before that, among what happened; of that only so much is read.
    """
    other = select(BrowserSession).where(BrowserSession.user_id == here.user_id, BrowserSession.id != here.id)
    if (last := db.scalar(other.order_by(BrowserSession.id.desc()).limit(1))) is not None:
        return SignIn(last.created_at, last.how, last.address, last.agent)
    before = (Event.user_id == here.user_id, Event.id < ids.first("evt", here.created_at))
    lately = select(Event.id, Event.kind).where(*before).order_by(Event.id.desc()).limit(MOST_READ).subquery()
    found = select(Event).where(Event.id.in_(select(lately.c.id).where(lately.c.kind == EventKind.SIGNED_IN)))
    event = db.scalar(found.order_by(Event.id.desc()).limit(1))
    return None if event is None else SignIn(event.at, event.detail.get("how", ""), event.address, event.agent)


def enter_by_link(plaintext: str, here: BrowserSession | None) -> BrowserSession | Step | None:
    """Verify the address of whoever signed up in this browser, and open a session; None if the link is spent.

    All other sessions of the user end, and `here`, the one that this browser had, is replaced. Nobody gave a password
    by this: when it was given last is taken over from `here`.
    """
    link = links.redeem(plaintext, VERIFY)
    if link is None or not _proves(link, link.user):
        return None
    prove_address(link.user)
    sessions.end_all(link.user)
    return open_for(link.user, How.LINK, here.authenticated_at if here else sessions.NEVER)


def prove_address(user: User) -> None:
    """The address of a user was proved to be theirs: links that were to prove it are worthless now."""
    users.confirm_email(user)
    links.cancel(user, VERIFY)
    notices.email_verified(user)


def _proves(link: Link, user: User) -> bool:
    return link.user_id == user.id and link.email == user.email and not user.verified
