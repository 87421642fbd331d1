"""Signing in with a password: counted before it is looked at (L-05), and opened only if it still counts then."""

from collections.abc import Sequence
from typing import NamedTuple

from latchkey import notices, origin
from latchkey.accounts import limits, links, passwords, sessions, users
from latchkey.accounts.links import Link, Purpose
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.throttle import TooMany
from latchkey.accounts.users import User

VERIFY = Purpose.VERIFY_EMAIL


RESET_HELPS = "If the account is yours, choose “Forgot password?” instead: a new password lets you in at once."


class Proof(NamedTuple):
    """Whose password was given, at which epoch, and a newer hash of it if the kept one is outdated."""

    user: User
    epoch: int
    rehashed: str | None


def attempt(email: str, password: str, device: str | None = None) -> Proof | None:
    """Whose password this is; None after leaving a trace. `device` is a browser that signed in to this account before.

    Raises `TooMany`, which may leave a trace too: whoever calls commits in any case.
    """
    try:
        tries = limits.sign_in(email, network=origin.current.get().network, device=device)
    except TooMany as many:
        if limits.tell_throttling(email) and (owner := users.find_by_email(email)) is not None:
            notices.sign_in_throttled(owner)
        raise TooMany(many.wait, RESET_HELPS) from None
    user = users.authenticate(email, password)
    if user is None:
        told = limits.tell_failure(email)
        with users.alike(users.find_by_email(email) if told else None) as owner:
            notices.sign_in_failed(owner)
        return None
    proof = Proof(user, user.epoch, passwords.hash(password) if passwords.outdated(user.password_hash) else None)
    limits.was_right(tries)
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
