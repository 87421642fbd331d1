"""`latchkey user`: accounts that an operator makes, suspends and deletes."""

import sys

import click

from cli.base import Refused, installation, json_option, latchkey, secret_input, tell, user_of
from latchkey import activity, lockdown, notices, texts
from latchkey import users as accounts
from latchkey.activity import EventKind
from latchkey.db import db
from latchkey.passwords import WeakPassword


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
    """Make an account."""
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
        except (accounts.InvalidEmail, WeakPassword) as error:
            raise Refused(str(error)) from None
        activity.record(user, EventKind.SIGNED_UP)
        db.commit()
        tell({"id": user.id, "email": user.email}, f"Created {user.email} ({user.id}).")


@group.command("disable")
@click.argument("email")
@json_option
def disable(email: str) -> None:
    """Suspend an account: everything that acts for it is refused, and what was handed out stays ended (I-08)."""
    with installation():
        user = user_of(email)
        lockdown.suspend(user)
        db.commit()
        tell({"id": user.id, "email": user.email, "disabled": True}, f"Disabled {user.email}.")


@group.command("enable")
@click.argument("email")
@json_option
def enable(email: str) -> None:
    """End the suspension of an account: its user may sign in again, and makes new tokens."""
    with installation():
        user = user_of(email)
        accounts.enable(user)
        db.commit()
        tell({"id": user.id, "email": user.email, "disabled": False}, f"Enabled {user.email}.")


@group.command("delete")
@click.argument("email")
@click.confirmation_option("--yes", prompt="Delete the account with everything in it?", help="Do not ask.")
@json_option
def delete(email: str) -> None:
    """Delete an account with everything in it."""
    with installation():
        user = user_of(email)
        facts = {"id": user.id, "email": user.email}
        notices.account_deleted(user)
        accounts.remove(user)
        db.commit()
        tell(facts, f"Deleted {facts['email']}.")
