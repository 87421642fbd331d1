"""Whoever the upstream named comes in: as the user they are linked to, as a new one, or after more was shown.

An account is linked by issuer and subject. An address alone links nothing: whoever has it here must have shown once
that both are theirs.
"""

from latchkey import clock, notices, origin, settings, texts
from latchkey.accounts import challenges, emails, second_factors, sessions, steps, users
from latchkey.accounts import passwords as kept_passwords
from latchkey.accounts.sessions import BrowserSession, Confirmed, How
from latchkey.accounts.steps import Step
from latchkey.accounts.upstream import confirmed, identities
from latchkey.accounts.upstream.identities import Identity
from latchkey.accounts.users import User
from latchkey.journal import activity, acts
from latchkey.journal.activity import EventKind
from latchkey.journal.acts import ActKind
from latchkey.naming import names
from latchkey.origin import Actor, Doer
from latchkey.oversight import invitations
from latchkey.oversight.invitations import Invitation
from latchkey.safety import lockdown, signin
from latchkey.store.conflicts import Gone
from latchkey.store.session import db
from latchkey.upstream.client import Person

UNNAMED = "New user"


class NotLetIn(Exception):
    """This person may not sign in here; the message says why."""


class AddressToProve(Exception):
    """No account is linked to this identity yet, and the person has to prove their address first."""


class FactorToShow(Exception):
    """The account has a second factor, which is needed beside the mailed link before the identity is linked."""

    def __init__(self, step: Step) -> None:
        super().__init__("a second factor is owed")
        self.step = step


SUSPENDED = "Your account here is suspended."
NO_ADDRESS = "{upstream} told us no e-mail address of yours, and an account here needs one."
OTHERS = "The account of this address belongs to somebody else at {upstream}."
TAKEN = "Who you are at {upstream} is linked to another account here."
USED = "This sign-in was used already."
SIGNED_OUT = "{upstream} has signed you out meanwhile."
ENDED = "The password of your account here has ended. Choose a new one first, by “Forgot password?”."


def _not_let_in(why: str) -> NotLetIn:
    return NotLetIn(why.format(upstream=settings.current().upstream))


def once(state: str) -> None:
    """A sign-in counts once, in whatever browser it is sent again. Raises `NotLetIn`."""
    if not challenges.spend(state.encode()):
        raise _not_let_in(USED)


def arrive(person: Person) -> BrowserSession | Step:
    """Open a session for somebody, whose account is made if there is none. Raises `NotLetIn`, `AddressToProve`."""
    # Read before the identity: another tab may make the account and link it in one transaction.
    taken = person.email is not None and users.find_by_email(person.email) is not None
    if (identity := identities.find(person.issuer, person.subject)) is not None:
        return _enter(identity, person)
    if person.email is None:
        raise _not_let_in(NO_ADDRESS)
    if taken or not person.email_verified:
        raise AddressToProve
    return _enter(_join(person, person.email), person)


def connect(person: Person, here: BrowserSession | None) -> BrowserSession | Step:
    """The same for somebody who showed by a letter that the address is theirs, also of an account that there is.

    `here` is the session of their browser. Raises `NotLetIn`, `FactorToShow`, `SessionEnded`.
    """
    if person.email is None or identities.find(person.issuer, person.subject) is not None:
        raise _not_let_in(USED)
    if (found := users.find_by_email(person.email)) is None:
        return _enter(_join(person, person.email), person)
    user = users.lock(found.id)
    if user is None:
        raise Gone
    if user.disabled_at is not None:
        raise _not_let_in(SUSPENDED)
    if user.needs_password:
        raise _not_let_in(ENDED)
    # Companies give addresses to others when somebody leaves: an equal address does not mean the same person.
    if any(identity.issuer == person.issuer for identity in identities.list_for(user)):
        raise _not_let_in(OTHERS)
    if not user.verified:
        _take_over(user, person)
    if second_factors.protects(user):
        return _connect_shown(user, here, person)
    return _enter(_linked(user, person), person)


def _connect_shown(user: User, here: BrowserSession | None, person: Person) -> BrowserSession:
    """Link an account whose mail alone opens nothing: to whoever is in it, having shown lately that they may be."""
    if here is None or here.user_id != user.id or not sessions.recently_authenticated(here):
        # Whatever was proved upstream: nothing shows yet that the identity there belongs to this user.
        raise FactorToShow(steps.begin(user))
    user = sessions.hold(here)
    word = _confirmed(user, _linked(user, person), person)
    return signin.opened(user, How.UPSTREAM_STEP, here.authenticated_at, word)


def _take_over(user: User, person: Person) -> None:
    """Hand an account whose address was never verified over to the person who has now proved the address."""
    users.store_password(user, kept_passwords.NONE)
    lockdown.sign_out(user)
    signin.prove_address(user)
    user.name = _name(person, user.email)


def accept(invitation: Invitation, person: Person) -> BrowserSession | Step:
    """The account of somebody who was invited and went on upstream. Raises `NotLetIn`, `InvitationOver`, `EmailTaken`.

    The link has proved the address that was invited, whatever the upstream calls them.
    """
    if identities.find(person.issuer, person.subject) is not None:
        raise _not_let_in(TAKEN)
    name = _name(person, invitation.email)
    user = invitations.accept(invitation, name=name, password=None)
    return _enter(identities.add(user, person.issuer, person.subject, person.email), person)


def _join(person: Person, email: str) -> Identity:
    """An account for an address that is its own user's. Raises `NotLetIn`."""
    try:
        emails.check_sign_up(email)
    except emails.SignupClosed as closed:
        raise NotLetIn(str(closed)) from None
    try:
        user = users.sign_up(email=email, name=_name(person, email), password=None, verified=True)
    except users.EmailTaken:
        # The account was made at this moment, perhaps by the same person in another tab: look again.
        raise Gone from None
    activity.record(user, EventKind.SIGNED_UP)
    return identities.add(user, person.issuer, person.subject, person.email)


def _name(person: Person, email: str) -> str:
    """What they are called upstream, if that may be a name here."""
    for candidate in (person.name, email.partition("@")[0]):
        try:
            return names.check(candidate, users.LONGEST_NAME)
        except texts.BadText:
            continue
    return UNNAMED


def _linked(user: User, person: Person) -> Identity:
    try:
        identity = identities.add(user, person.issuer, person.subject, person.email)
    except identities.TooMany:
        raise NotLetIn(f"An account has at most {identities.MOST} of these.") from None
    notices.identity_linked(user, identity)
    return identity


def _enter(identity: Identity, person: Person) -> BrowserSession | Step:
    user = _held(identity, person)
    if user.needs_password:
        # After “I have been hacked” the identity may be a thief's who linked it.
        raise _not_let_in(ENDED)
    word = _confirmed(user, identity, person)
    # An old sign-in upstream is no proof of now: what takes fresh proof asks for it.
    proved = person.authenticated_at or sessions.NEVER
    if person.with_factor:
        return signin.opened(user, How.UPSTREAM_FACTOR, proved, word)
    return signin.open_for(user, How.UPSTREAM, proved, word)


def _held(identity: Identity, person: Person) -> User:
    """The user of an identity, locked. Raises `NotLetIn`."""
    user = users.lock(identity.user_id)
    found = identities.find(person.issuer, person.subject)
    if user is None or found is None or found.user_id != user.id:
        raise Gone
    if user.disabled_at is not None:
        raise _not_let_in(SUSPENDED)
    # The upstream tells it by its own clock, in whole seconds.
    if found.signed_out_at is not None and person.issued_at < found.signed_out_at:
        raise _not_let_in(SIGNED_OUT)
    return user


def _confirmed(user: User, identity: Identity, person: Person) -> Confirmed:
    """The upstream has said now who this is, and what they may do here. The user is locked."""
    identity.confirmed_at, identity.email = clock.now(), person.email
    word = Confirmed(identity.id, person.sid, identity.confirmed_at)
    appoint(user, identity, administers=person.administers)
    if identity.administers:
        confirmed.bind_all(user, word)
    db.flush()
    return word


def appoint(user: User, identity: Identity, *, administers: bool) -> None:
    """Let a user administer by a group of theirs, or no longer, also as the last one. The user is locked.

    Who was made an administrator here stays one, whatever the groups say.
    """
    if user.is_admin if administers else not identity.administers:
        return
    identity.administers = administers
    db.flush()
    if not administers and any(other.administers for other in identities.usable(user)):
        return
    before = origin.current.get()
    origin.act(Actor(Doer.UPSTREAM, name=settings.current().upstream or ""))
    try:
        if lockdown.appoint(user, on=administers, even_last=True):
            kind = ActKind.ADMINISTRATOR_MADE if administers else ActKind.ADMINISTRATOR_UNMADE
            acts.record(kind, user.id, user.email)
    finally:
        origin.current.set(before)


def prove(here: BrowserSession, person: Person) -> None:
    """Take a new sign-in upstream as fresh proof of who is in a session. Raises `NotLetIn`, `SessionEnded`."""
    user = sessions.hold(here)
    identity = identities.find(person.issuer, person.subject)
    if identity is None or identity.user_id != user.id:
        raise NotLetIn("That was somebody else. Sign in there as the person whose account this is.")
    _held(identity, person)
    if second_factors.protects(user) and not person.with_factor:
        raise NotLetIn("Your account here has a second factor: show that instead.")
    confirmed.confirm(here, _confirmed(user, identity, person))
    sessions.reauthenticate(here)
    notices.proved_again(user)


def link(here: BrowserSession, person: Person) -> bool:
    """Link whoever is in a session to whom they are upstream; whether it is new. Raises `NotLetIn`, `SessionEnded`."""
    user = sessions.hold(here)
    identity = identities.find(person.issuer, person.subject)
    if identity is None:
        _confirmed(user, _linked(user, person), person)
        return True
    if identity.user_id != user.id:
        raise _not_let_in(TAKEN)
    return False
