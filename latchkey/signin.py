"""Signing in with a password: counted before it is looked at (L-05), and opened only if it still counts then."""

from collections.abc import Sequence
from typing import NamedTuple

from latchkey import activity, links, notices, passwords, sessions, throttle, users
from latchkey.links import Link, Purpose
from latchkey.sessions import BrowserSession
from latchkey.users import User
from latchkey.values import Limit

VERIFY = Purpose.VERIFY_EMAIL
TOLD_EVERY = (Limit(1, throttle.SIGN_IN[1].window),)


class Proof(NamedTuple):
    """Whose password was given, at which epoch, and a newer hash of it if the kept one is outdated."""

    user: User
    epoch: int
    rehashed: str | None


class Counter(NamedTuple):
    """What tries are counted by; `own` is the account's or the browser's, others are shared by many."""

    key: str
    limits: tuple[Limit, ...]
    own: bool = False


def attempt(email: str, password: str, device: str | None = None) -> Proof | None:
    """Whose password this is; None after leaving a trace. `device` is a browser that signed in to this account before.

    Raises `throttle.TooMany`, which may leave a trace too: whoever calls commits in any case.
    """
    counters = _counters(email, device)
    for counter in counters:
        if wait := throttle.hit(counter.key, *counter.limits):
            _tell_owner(email)
            raise throttle.TooMany(wait)
    user = users.authenticate(email, password)
    if user is None:
        with users.alike(users.find_by_email(email)) as owner:
            notices.sign_in_failed(owner)
        return None
    proof = Proof(user, user.epoch, passwords.hash(password) if passwords.outdated(user.password_hash) else None)
    for counter in counters:
        (throttle.forgive if counter.own else throttle.give_back)(counter.key, *counter.limits)
    return proof


def enter(proof: Proof, pressed: Sequence[str] = ()) -> BrowserSession:
    """Open a session for whoever gave the password. Raises `sessions.NotOpened`.

    `pressed` are ids of links whose button was pressed in this browser: now that its password was given here too, a
    link for this user proves the address.
    """
    opened = sessions.open(proof.user, proof.epoch)
    if proof.rehashed is not None:
        opened.user.password_hash = proof.rehashed
    if not opened.user.verified and any(_proves(link, opened.user) for link in links.among(pressed, VERIFY)):
        prove_address(opened.user)
        sessions.end_all(opened.user, keep=opened)
    notices.signed_in(opened.user)
    return opened


def enter_by_link(plaintext: str, here: BrowserSession | None) -> BrowserSession | None:
    """Verify the address of whoever signed up in this browser, and open a session; None if the link is spent.

    All other sessions of the user end, and `here`, the one that this browser had, is replaced. Nobody gave a password
    by this: when it was given last is taken over from `here`.
    """
    link = links.redeem(plaintext, VERIFY)
    if link is None or not _proves(link, link.user):
        return None
    prove_address(link.user)
    sessions.end_all(link.user)
    opened = sessions.open(link.user, authenticated_at=here.authenticated_at if here else sessions.NEVER)
    notices.signed_in(link.user)
    return opened


def prove_address(user: User) -> None:
    """The address of a user was proved to be theirs: links that were to prove it are worthless now."""
    users.confirm_email(user)
    links.cancel(user, VERIFY)
    notices.email_verified(user)


def _proves(link: Link, user: User) -> bool:
    return link.user_id == user.id and link.email == user.email and not user.verified


def _counters(email: str, device: str | None) -> list[Counter]:
    """In the order of counting.

    What one refuses, the next does not count: a flood from one network takes nothing from an account, nor one on an
    account from everybody.
    """
    if device is not None:
        return [Counter(f"sign-in-device:{device}:{users.key(email)}", throttle.SIGN_IN, own=True)]
    network = activity.origin.get().network
    return [
        Counter(f"sign-in-from:{network}", throttle.PER_ADDRESS),
        Counter(f"sign-in:{users.key(email)}", throttle.SIGN_IN, own=True),
        Counter("sign-in-anywhere", throttle.EVERYWHERE),
    ]


def _tell_owner(email: str) -> None:
    """Leave a trace of an attack, but not one a try."""
    quiet = throttle.hit(f"throttled:{users.key(email)}", *TOLD_EVERY)
    owner = users.find_by_email(email)
    if owner is not None and not quiet:
        notices.sign_in_throttled(owner)
