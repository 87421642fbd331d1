"""`latchkey token`: developer tokens made for a user, and any token shown or revoked."""

from datetime import datetime, timedelta
from typing import Any

import click

from cli.base import Refused, installation, json_option, latchkey, secret_input, tell, user_of
from latchkey import notices, settings, texts
from latchkey import scopes as catalogue
from latchkey import tokens as credentials
from latchkey.db import db
from latchkey.tokens import Token

PRESET_DAYS = 90
MOST_DAYS = 36_500


@latchkey.group("token")
def group() -> None:
    """Tokens of every kind."""


@group.command("create")
@click.option("--user", "email", required=True, metavar="EMAIL", help="For whom it acts.")
@click.option("--description", required=True, help="What will use it.")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it may do; may be repeated.")
@click.option("--expires-in-days", "days", type=click.IntRange(1, MOST_DAYS), help=f"{PRESET_DAYS} if left out.")
@click.option("--no-expiry", is_flag=True, help="It works until it is revoked.")
@json_option
def create(*, email: str, description: str, scopes: tuple[str, ...], days: int | None, no_expiry: bool) -> None:
    """Make a developer token; it is printed once."""
    if no_expiry and days is not None:
        raise click.UsageError("--no-expiry and --expires-in-days exclude each other.")
    with installation():
        user = user_of(email)
        if user.disabled_at is not None:
            raise Refused("the user is disabled")
        preset = min(PRESET_DAYS, settings.current().token_max_days or PRESET_DAYS)
        lifetime = None if no_expiry else timedelta(days=days or preset)
        try:
            token, plaintext = credentials.mint(user, description=description, scopes=scopes, lifetime=lifetime)
        except credentials.UnverifiedEmail:
            raise Refused("the user has to verify the address first") from None
        except catalogue.UnknownScope:
            raise Refused(f"--scope: known are {' '.join(catalogue.catalogue())}") from None
        except texts.BadText as error:
            raise Refused(f"--description: {error}") from None
        except credentials.LifetimeTooLong as error:
            raise Refused(f"--expires-in-days: {error}") from None
        notices.token_created(user, token)
        db.commit()
        tell({"id": token.id, "token": plaintext}, plaintext)


def _find(given: str | None) -> Token:
    text = secret_input("token or its id") if given in (None, "-") else str(given)
    token = db.get(Token, text) if text.startswith("tok_") and text.isascii() else credentials.find(text)
    if token is None:
        raise Refused("no token is known by this")
    return token


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


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
        "last4": token.last4,
        "created_at": _time(token.created_at),
        "expires_at": _time(token.expires_at),
        "revoked_at": _time(token.revoked_at),
        "last_used_at": _time(token.last_used_at),
        "last_used_address": token.last_used_address,
        "last_used_agent": token.last_used_agent,
    }


def _show(token: Token) -> None:
    facts = _facts(token)
    shown = {key: " ".join(value) if isinstance(value, list) else value for key, value in facts.items()}
    tell(facts, "\n".join(f"{key:<18} {value}" for key, value in shown.items() if value is not None))


@group.command("show")
@click.argument("token_or_id", required=False)
@json_option
def show(token_or_id: str | None) -> None:
    """What is known of a token, never the token. Without an argument, or with -, it is read from standard input."""
    with installation():
        _show(_find(token_or_id))


@group.command("revoke")
@click.argument("token_or_id", metavar="ID", required=False)
@json_option
def revoke(token_or_id: str | None) -> None:
    """End a token and what it made, at its next use; safe to repeat. Reads standard input like `show`."""
    with installation():
        token = _find(token_or_id)
        if credentials.revoke(token) and token.user is not None:
            notices.token_revoked(token.user, token)
        db.commit()
        db.refresh(token)
        _show(token)
