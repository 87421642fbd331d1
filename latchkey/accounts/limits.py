"""The limits of guessing, sign-ups and letters: by what each is counted, and how much of it is allowed.

A limit must not become a weapon against the person it protects. So what strangers do never stops a browser that the
account knows, and a letter that opens the account can always be sent.
"""

from datetime import timedelta
from typing import NamedTuple

from latchkey import addresses, settings
from latchkey.accounts import emails, links, second_factors, steps, throttle
from latchkey.accounts.links import Purpose
from latchkey.accounts.throttle import Counter, Crowd, TooMany
from latchkey.accounts.users import User
from latchkey.values import Limit

# Guessing grows slower the longer it lasts: a handful at once, then a few an hour, then a few a day.
GUESSES = (Limit(10, timedelta(minutes=1)), Limit(25, timedelta(minutes=15)), Limit(60, timedelta(hours=12)))
# Guesses at one account from all networks. The window is short, since its owner is shut out for as long.
ACCOUNT = (Limit(100, timedelta(hours=1)),)
NETWORK = (Limit(60, timedelta(minutes=1)), Limit(400, timedelta(hours=1)))
# An IPv6 site (a /48) has 65,536 networks (/64) and gets the limit of so many of them.
NETWORKS_OF_SITE = 10
EVERYWHERE = (Limit(600, timedelta(minutes=1)),)
# The limit of a network while `EVERYWHERE` is exceeded; nobody is shut out by what other networks do.
UNDER_ATTACK = (Limit(5, timedelta(minutes=15)),)
# Codes of an authenticator app: guessed more easily than passwords, by somebody who has the password already.
CODES = (Limit(10, timedelta(minutes=15)), Limit(30, timedelta(hours=12)))
CODES_OF_ACCOUNT = (Limit(30, timedelta(hours=1)), Limit(100, timedelta(hours=24)))
TRIES_OF_STEP = (Limit(5, steps.LIFETIME),)
# Dynamic registrations from one network: each program that is connected makes one, and an office has many people.
REGISTRATIONS = (Limit(30, timedelta(minutes=10)), Limit(200, timedelta(hours=24)))
# User codes of devices, of which one in 25 thousand million is in use: by user, and by network.
USER_CODES = (Limit(10, timedelta(minutes=5)), Limit(40, timedelta(hours=1)), Limit(120, timedelta(hours=24)))
# Device authorizations of a public app, in whose name anybody can ask; they are kept for ten minutes.
DEVICES_OF_APP = (Limit(30, timedelta(minutes=10)),)
DEVICES = (Limit(120, timedelta(minutes=10)),)
DEVICES_EVERYWHERE = (Limit(600, timedelta(minutes=10)),)
DEVICES_UNDER_ATTACK = (Limit(3, timedelta(minutes=10)),)
CHANGES_OF_ADDRESS = (Limit(10, timedelta(minutes=15)), Limit(30, timedelta(hours=6)))
# How many events an attack leaves in the activity of an account; more of the same would tell its owner nothing.
FAILURES_TOLD = (Limit(30, timedelta(hours=1)),)
THROTTLING_TOLD = (Limit(1, timedelta(minutes=15)),)


class QuotaReached(Exception):
    """A user has reached a quota; the message says how many are allowed, and what to do."""


class Tries(NamedTuple):
    """The counters of one try to sign in: those of the account, and those that many share."""

    own: tuple[Counter, ...]
    shared: tuple[Counter, ...] = ()


# Of a try that needed no counting.
UNCOUNTED = Tries(())


def of_network(what: str, network: str, limits: tuple[Limit, ...]) -> tuple[Counter, ...]:
    """The counters of the network that a request comes from, and of its IPv6 site."""
    counters: tuple[Counter, ...] = (Counter(f"{what}:{network}", limits),)
    if site := addresses.site(network.partition("/")[0]):
        wider = tuple(Limit(NETWORKS_OF_SITE * limit.most, limit.window) for limit in limits)
        counters += (Counter(f"{what}:{site}", wider),)
    return counters


def sign_in(email: str, *, network: str, device: str | None) -> Tries:
    """Count a try at an account, whether it exists or not. Raises `TooMany`.

    `device` names a browser that the account knows: it is counted by itself alone.
    """
    own = _own(emails.key(email), network, device)
    if device is not None:
        return Tries(throttle.admit(*own))
    crowd = everybody("sign-in-anywhere", "sign-in-under-attack", network)
    counted = throttle.admit(*own, *of_network("sign-in-from", network, NETWORK), crowd=crowd)
    return Tries(own, tuple(counter for counter in counted if counter not in own))


def everybody(what: str, instead: str, network: str) -> Crowd:
    """All tries of one kind together; while they are too many, each network has a lower limit."""
    return Crowd(Counter(what, EVERYWHERE), of_network(instead, network, UNDER_ATTACK))


def _own(account: str, network: str, device: str | None) -> tuple[Counter, ...]:
    if device is not None:
        return (Counter(f"sign-in-device:{device}:{account}", GUESSES),)
    return _of_account(account, network)


def _of_account(account: str, network: str) -> tuple[Counter, ...]:
    return *of_network(f"sign-in:{account}", network, GUESSES), Counter(f"sign-in:{account}", ACCOUNT)


def was_right(tries: Tries) -> None:
    """The try was right: reset the counts of the account and refund the shared ones. Comes just before the commit."""
    throttle.settle(anew=tries.own, less=tries.shared)


def with_password(tries: Tries, user: User, *, network: str, device: str | None) -> Tries:
    """A right second factor also settles the counts of the password before it."""
    return tries._replace(own=(*tries.own, *_own(emails.key(user.email), network, device)))


def of_step(step_id: str) -> Counter:
    """The counter of the codes that are typed in one sign-in."""
    return Counter(f"step:{step_id}", TRIES_OF_STEP)


def code(user: User, typed: str, *, network: str, device: str | None) -> Tries:
    """Count a code for an account. Raises `TooMany`.

    Recovery codes cannot be guessed: they are counted by network alone, and so stay a way in while strangers who know
    the password use up what the account has. A browser that the account knows is counted by itself.
    """
    if device is not None:
        tries = Tries((Counter(f"code-device:{device}:{user.id}", CODES),))
    elif second_factors.from_app(typed):
        own = *of_network(f"code:{user.id}", network, CODES), Counter(f"code:{user.id}", CODES_OF_ACCOUNT)
        tries = Tries(own, of_network("code-from", network, NETWORK))
    else:
        tries = Tries((), of_network("code-from", network, NETWORK))
    throttle.admit(*tries.own, *tries.shared)
    return tries


def passkey(user_id: str, *, network: str, device: str | None) -> Tries:
    """Count an answer of an authenticator: it takes work to look at. `device` is as at `sign_in`. Raises `TooMany`."""
    own = () if device is None else (Counter(f"passkey-device:{device}:{user_id}", GUESSES),)
    tries = Tries(own, () if own else of_network("passkey-from", network, NETWORK))
    throttle.admit(*tries.own, *tries.shared)
    return tries


def password(user: User, session_id: str) -> tuple[Counter, ...]:
    """Count a try of somebody signed in to give the password again. Raises `TooMany`.

    By session: in the browser that a thief has taken over nobody uses up what the owner has in another one.
    """
    return throttle.admit(Counter(f"password:{session_id}", GUESSES), Counter(f"password:{user.id}", ACCOUNT))


def recovered(user: User, *, network: str) -> None:
    """A new password was set by the mailed link: reset what was counted against the account."""
    account = emails.key(user.email)
    throttle.reset(*_of_account(account, network), Counter(f"password:{user.id}", ACCOUNT))


def tell_failure(email: str) -> bool:
    """Whether the owner of an account is told of another wrong password."""
    return throttle.hit(Counter(f"failed:{emails.key(email)}", FAILURES_TOLD)) == 0


def tell_throttling(whose: str) -> bool:
    """Whether the owner of an account is told again that guessing at it is slowed; `whose` is its address."""
    return throttle.hit(Counter(f"throttled:{emails.key(whose)}", THROTTLING_TOLD)) == 0


def sign_up_form(network: str) -> None:
    """Count a sign-up that was sent, good or not, before anything is done with it. Raises `TooMany`."""
    throttle.admit(*of_network("sign-up-form", network, NETWORK))


def sign_up(network: str) -> None:
    """Count a sign-up. Raises `TooMany`."""
    quota = settings.current().quota_signups
    throttle.admit(*of_network("sign-up", network, (quota, Limit(3 * quota.most, 6 * quota.window))))


def registration(network: str) -> None:
    """Count an app that registers itself. Raises `TooMany`."""
    throttle.admit(*of_network("registration", network, REGISTRATIONS))


class Asker(NamedTuple):
    """Who asks for a letter: a network, or a browser or person that has a name of its own.

    An `owner` is somebody who has shown to be the one whom the letter goes to.
    """

    network: str
    name: str | None = None
    owner: bool = False


def letter(purpose: Purpose, email: str, asker: Asker, *, new: bool = False) -> bool:
    """Count a letter that somebody asks for. Whether it may go to an address that nobody verified. Raises `TooMany`.

    Counted by who asks, with growing pauses, and by mailbox, whatever its tag and dots; strangers' letters do not count
    for the owner. When strangers have used up a mailbox, each address of it still gets one in the time that a reset
    link works: the owner always holds one that works, or can have one. Those go to verified addresses and to the plain
    one of the mailbox alone, and make no `new` account of another, or many tags would bring many letters.
    """
    quota = settings.current().quota_letters
    address, mailbox = emails.key(email), emails.mailbox(email)
    growing = (quota, Limit(2 * quota.most, 6 * quota.window), Limit(4 * quota.most, 24 * quota.window))
    asking = [Counter(f"letters:{asker.name or asker.network}:{mailbox}", growing)]
    if asker.name is None:
        asking.extend(of_network("letters-from", asker.network, NETWORK))
    throttle.admit(*asking)
    if asker.owner:
        return True
    full = throttle.hit(Counter(f"letters:{mailbox}", (quota,)))
    plain = address == mailbox
    last = (Counter(f"letter:{purpose}:{address}", (Limit(1, links.LIFETIME[Purpose.RESET_PASSWORD]),)),)
    wait = full if new and not plain else throttle.hit(*last)
    if full and wait:
        throttle.refund(*asking)
        raise TooMany(min(full, wait))
    return plain or not full


def change_of_address(user: User) -> None:
    """Count a change of address that somebody asks for. Raises `TooMany`."""
    throttle.admit(Counter(f"letters-for:{user.id}", CHANGES_OF_ADDRESS))


def user_code(user_id: str, network: str) -> Tries:
    """Count a code of a device that somebody signed in has typed. Raises `TooMany`.

    A right one is taken out of the count again and never begins it anew: whoever guesses has right ones of their own.
    While many are typed everywhere, a network has fewer.
    """
    own = (Counter(f"user-code:{user_id}", USER_CODES),)
    crowd = everybody("user-code-anywhere", "user-code-under-attack", network)
    counted = throttle.admit(*own, *of_network("user-code-from", network, NETWORK), crowd=crowd)
    return Tries(own, tuple(counter for counter in counted if counter not in own))


def was_a_device(tries: Tries) -> None:
    """The code that was typed was a device's. Comes just before the commit."""
    throttle.settle(anew=(), less=(*tries.own, *tries.shared))


def device(client_id: str, network: str) -> None:
    """Count a device that asks to be signed in, by a public app. Raises `TooMany`.

    However many strangers ask in an app's name, each network can still sign in a few devices.
    """
    throttle.admit(
        *of_network(f"device:{client_id}", network, DEVICES_OF_APP),
        *of_network("device-from", network, DEVICES),
        crowd=Crowd(
            Counter(f"device:{client_id}", DEVICES_EVERYWHERE),
            of_network(f"device-under-attack:{client_id}", network, DEVICES_UNDER_ATTACK),
        ),
    )
