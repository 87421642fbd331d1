"""`latchkey token`: developer tokens made for a user, any token shown or revoked, and credentials found in files."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from cli.base import Refused, because, installation, json_option, latchkey, lines, moment, secret_input, tell, user_of
from latchkey import notices, settings, texts
from latchkey import scopes as catalogue
from latchkey import tokens as credentials
from latchkey.oversight import keys
from latchkey.safety import scanner
from latchkey.store.session import db
from latchkey.tokens import Token, lifetimes

MOST_NAMED = 5
STATUSES = ("active", "ended", "all")


@latchkey.group("token")
def group() -> None:
    """Tokens of every kind."""


@group.command("create")
@click.option("--user", "email", required=True, metavar="EMAIL", help="For whom it acts.")
@click.option("--description", required=True, help="What will use it.")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it may do; may be repeated.")
@click.option(
    "--expires-in-days",
    "days",
    type=click.IntRange(1, lifetimes.LONGEST_DAYS),
    help="The preset life (LATCHKEY_TOKEN_DEFAULT_DAYS) if left out, or the longest life here.",
)
@click.option("--no-expiry", is_flag=True, help="It works until it is revoked.")
@click.option("--allow", "addresses", multiple=True, help="An address or range that it works from; may be repeated.")
@json_option
def create(
    *,
    email: str,
    description: str,
    scopes: tuple[str, ...],
    days: int | None,
    no_expiry: bool,
    addresses: tuple[str, ...],
) -> None:
    """Make a developer token; it is printed once."""
    if no_expiry and days is not None:
        raise click.UsageError("--no-expiry and --expires-in-days exclude each other.")
    with installation():
        user = user_of(email)
        if user.disabled_at is not None:
            raise Refused("the user is disabled")
        lifetime = None if no_expiry else timedelta(days=days or lifetimes.preset())
        try:
            token, plaintext = credentials.mint(
                user, description=description, scopes=scopes, lifetime=lifetime, addresses=addresses
            )
        except credentials.UnverifiedEmail:
            raise Refused("the user has to verify the address first") from None
        except catalogue.UnknownScope:
            raise Refused(f"--scope: known are {' '.join(catalogue.catalogue())}") from None
        except texts.BadText as error:
            raise Refused(f"--description: {error}") from None
        except credentials.LifetimeTooLong as error:
            raise Refused(f"--expires-in-days: {error}") from None
        except credentials.BadRange as error:
            raise Refused(f"--allow: {error}") from None
        notices.token_created(user, token)
        db.commit()
        tell({"id": token.id, "token": plaintext}, plaintext)


def _find(given: str | None) -> Token:
    text = secret_input("token or its id") if given in (None, "-") else str(given)
    token = db.get(Token, text) if text.startswith("tok_") and text.isascii() else credentials.find(text)
    if token is None:
        raise Refused("no token is known by this")
    return token


def _status(token: Token) -> str:
    if token.consumed_at is not None or (token.grant is not None and token.grant.ended_at is not None):
        return "revoked"
    return token.status


def _facts(token: Token) -> dict[str, Any]:
    client = token.grant.client if token.grant else None
    return {
        "id": token.id,
        "kind": token.kind,
        "status": _status(token),
        "description": token.description,
        "user": token.user.email if token.user else None,
        "client_id": client.id if client else None,
        "app": client.name if client else None,
        "scopes": catalogue.serialize(token.scopes).split(),
        "allowed_addresses": (token.allowed_addresses or "").split(),
        "replaces": token.replaces.id if token.replaces is not None else None,
        "last4": token.last4,
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "revoked_at": moment(token.revoked_at),
        "last_used_at": moment(token.last_used_at),
        "last_used_address": token.last_used_address,
        "last_used_agent": token.last_used_agent,
    }


def _show(token: Token) -> None:
    facts = _facts(token)
    tell(facts, lines(facts))


@group.command("list")
@click.option("--user", "email", metavar="EMAIL", help="Only this user's.")
@click.option("--status", type=click.Choice(STATUSES), default="active", show_default=True, help="Which of them.")
@json_option
def list_tokens(email: str | None, status: str) -> None:
    """Developer tokens, the newest first; never their strings."""
    with installation():
        owner = user_of(email) if email else None
        found = [_facts(token) for token in credentials.every(owner, status=status)]
        text = "\n".join(f"{f['id']}  {f['user']}  {f['status']:<8} {f['description']}" for f in found)
        tell({"data": found}, text or "No tokens.")


@group.command("show")
@click.argument("token_or_id", required=False)
@json_option
def show(token_or_id: str | None) -> None:
    """What is known of a token, never the token. Without an argument, or with -, it is read from standard input."""
    with installation():
        _show(_find(token_or_id))


@group.command("revoke")
@click.argument("token_or_id", metavar="ID", required=False)
@click.option("--reason", help="What its user is told.")
@json_option
def revoke(token_or_id: str | None, reason: str | None) -> None:
    """End a token and what it made, at its next use; safe to repeat. Reads standard input like `show`.

    Its user gets an e-mail.
    """
    with installation():
        because(reason)
        token = _find(token_or_id)
        keys.revoke(token)
        db.commit()
        db.expire(token)
        _show(token)


@group.command("scan")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True))
@json_option
@click.pass_context
def scan(ctx: click.Context, paths: tuple[str, ...]) -> None:
    """Find credentials of this installation in files, folders or, with -, standard input; exit 1 if there are any.

    Needs no database: they are known by LATCHKEY_TOKEN_PREFIX and their checksum, and never printed. Binary files and
    the links in a folder are passed over.
    """
    settings.use(settings.read())
    unread: list[str] = []
    found = [
        each
        for path in paths
        for each in (scanner.read(sys.stdin.buffer, "-") if path == "-" else scanner.search(Path(path), unread))
    ]
    text = "\n".join(f"{each.path}:{each.line}: {each.kind} …{each.last4}" for each in found)
    tell({"findings": [each._asdict() for each in found]}, text or "No credentials found.")
    if unread:
        more = f" and {len(unread) - MOST_NAMED} more" if len(unread) > MOST_NAMED else ""
        raise Refused(f"could not be read: {', '.join(unread[:MOST_NAMED])}{more}")
    ctx.exit(1 if found else 0)
