"""The `latchkey` command, for operators in a terminal."""

from cli import administrators, client_ends, clients, doctor, gateways, installation, mail, moving, serve, tokens, users
from cli.base import latchkey

__all__ = [
    "administrators",
    "client_ends",
    "clients",
    "doctor",
    "gateways",
    "installation",
    "latchkey",
    "mail",
    "main",
    "moving",
    "serve",
    "tokens",
    "users",
]


def main() -> None:
    """What the `latchkey` script runs."""
    latchkey(prog_name="latchkey")
