"""`latchkey user`: accounts that an operator makes, suspends and deletes."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import click

from cli.base import (
    Refused,
    because,
    confirmed,
    installation,
    json_option,
    latchkey,
    lines,
    moment,
    secret_input,
    tell,
    user_of,
)
from latchkey import clients, grants, settings, texts, tokens
from latchkey.accounts import emails
from latchkey.accounts import users as accounts
from latchkey.accounts.passwords import WeakPassword
from latchkey.accounts.users import User
from latchkey.journal import activity, acts
from latchkey.journal.activity import EventKind
from latchkey.journal.acts import ActKind
from latchkey.oversight import invitations, people
from latchkey.oversight.invitations import Invitation
from latchkey.safety import lockdown, shutdown
from latchkey.store import conflicts
from latchkey.store.session import commit_parts, db


@latchkey.group("user")
def group() -> None:
    """Accounts of people."""


@group.command("create")
@click.option("--email", required=True, help="Their address.")
@click.option("--name", required=True, help="What they are called.")
@click.option("--admin", is_flag=True, help="May administer this installation.")
@click.option("--unverified", is_flag=True, help="They must prove the address first.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
def create(*, email: str, name: str, admin: bool, unverified: bool, password_stdin: bool) -> None:
    """Make an account; where passwords are off, invite whoever it is for instead."""
    if settings.read().passwords == "off":
        _invite(email, admin=admin, refused=password_stdin or unverified)
        return
    if password_stdin:
        password = secret_input("password")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise click.UsageError("Give the password on standard input, with --password-stdin.")
    with installation():
        try:
            user = accounts.sign_up(email=email, name=name, password=password, verified=not unverified, admin=admin)
        except accounts.EmailTaken:
            raise Refused("another user has this address") from None
        except texts.BadText as error:
            raise Refused(f"--name: {error}") from None
        except (emails.InvalidEmail, WeakPassword) as error:
            raise Refused(str(error)) from None
        activity.record(user, EventKind.SIGNED_UP)
        if admin:
            because(None)
            acts.record(ActKind.ADMINISTRATOR_MADE, user.id, user.email)
        db.commit()
        tell({"id": user.id, "email": user.email}, f"Created {user.email} ({user.id}).")


def _invite(email: str, *, admin: bool, refused: bool) -> None:
    if refused:
        raise click.UsageError(
            "Passwords are off (LATCHKEY_PASSWORDS): there is none to give, and no address to verify."
        )
    with installation():
        because(None)
        invitation = invited(email, as_admin=admin)
        tell({"id": invitation.id, "email": invitation.email}, f"Invited {invitation.email} ({invitation.id}).")


def invited(email: str, *, as_admin: bool) -> Invitation:
    """The invitation that was sent. Raises `Refused`."""
    try:
        invitation = invitations.invite(email, admin=as_admin)
    except accounts.EmailTaken:
        raise Refused("a user has this address already") from None
    except emails.InvalidEmail as error:
        raise Refused(str(error)) from None
    db.commit()
    return invitation


def _facts(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "admin": user.is_admin,
        "verified": user.verified,
        "disabled_at": moment(user.disabled_at),
        "created_at": moment(user.created_at),
    }


@group.command("list")
@json_option
def list_users() -> None:
    """Everybody with an account, the eldest first."""
    with installation():
        found = [_facts(user) for user in accounts.every()]
        text = "\n".join(f"{f['id']}  {f['email']}{'  (suspended)' if f['disabled_at'] else ''}" for f in found)
        tell({"data": found}, text or "No users.")


@group.command("show")
@click.argument("email")
@json_option
def show(email: str) -> None:
    """What is known of an account."""
    with installation():
        user = user_of(email)
        facts = _facts(user) | {
            "apps": [client.id for client in clients.list_for(user)],
            "live_tokens": len(tokens.every(user)),
            "authorizations": len(grants.list_for(user)),
        }
        tell(facts, lines(facts))


@group.command("disable")
@click.argument("email")
@click.option("--reason", help="What the user is told.")
@json_option
def disable(email: str, reason: str | None) -> None:
    """Suspend an account with its apps: everything that acts for it is refused, and stays ended."""
    with installation():
        because(reason)
        stopped = conflicts.again(lambda: _disable(email))
        # Why the owner is suspended is not for the users of the apps.
        because(None)
        for client_id in stopped:
            if (client := clients.find(client_id)) is not None:
                commit_parts(shutdown.tell_users(client))
        user = user_of(email)
        apps = f", and {len(stopped)} of their apps" if stopped else ""
        tell({"id": user.id, "email": user.email, "disabled": True, "apps": stopped}, f"Disabled {user.email}{apps}.")


def _disable(email: str) -> list[str]:
    with sparing_the_last():
        stopped = people.suspend(user_of(email))
    db.commit()
    return [client.id for client in stopped]


@group.command("enable")
@click.argument("email")
@json_option
def enable(email: str) -> None:
    """End the suspension of an account: its user may sign in again and makes new tokens, its apps go on."""
    with installation():
        because(None)
        going = conflicts.again(lambda: _enable(email))
        user = user_of(email)
        apps = f", and {len(going)} of their apps" if going else ""
        tell({"id": user.id, "email": user.email, "disabled": False, "apps": going}, f"Enabled {user.email}{apps}.")


def _enable(email: str) -> list[str]:
    going = people.restore(user_of(email))
    db.commit()
    return [client.id for client in going]


@group.command("reset-second-factor")
@click.argument("email")
@json_option
def reset_second_factor(email: str) -> None:
    """Turn two-factor sign-in off for somebody who is locked out; they are told by mail."""
    with installation():
        because(None)
        user, was_on = conflicts.again(lambda: _reset_second_factor(email))
        said = f"Two-factor sign-in of {user.email} is off." if was_on else f"{user.email} had no second factor."
        tell({"id": user.id, "email": user.email, "reset": was_on}, said)


def _reset_second_factor(email: str) -> tuple[User, bool]:
    user = user_of(email)
    was_on = people.reset_second_factor(user)
    db.commit()
    return user, was_on


@group.command("delete")
@click.argument("email")
@confirmed("Delete the account with everything in it?")
@json_option
def delete(email: str) -> None:
    """Delete an account with everything in it."""
    with installation():
        because(None)
        user = user_of(email)
        facts = {"id": user.id, "email": user.email}
        conflicts.again(lambda: _delete(facts["id"]))
        tell(facts | {"deleted": True}, f"Deleted {facts['email']}.")


def _delete(user_id: str) -> None:
    user = accounts.find(user_id)
    if user is not None:
        with sparing_the_last():
            commit_parts(people.delete(user))


@contextlib.contextmanager
def sparing_the_last() -> Iterator[None]:
    """Refuse to take the last administrator away."""
    try:
        yield
    except lockdown.LastAdministrator:
        raise Refused("this is the last administrator") from None
