"""`latchkey mail`: what the server does by itself, by hand."""

from cli.base import Refused, installation, json_option, latchkey, tell
from latchkey.mail import outbox


@latchkey.group("mail")
def group() -> None:
    """Letters that wait in the outbox."""


@group.command("send")
@json_option
def send() -> None:
    """Try each letter that waits in the outbox once."""
    with installation():
        outbox.recover(fresh=True)
        waiting = outbox.standing().waiting
        sent, failed = outbox.deliver(limit=max(1, waiting), impatient=True)
        left = outbox.standing()
        tell({"sent": sent, "failed": failed, "waiting": left.waiting}, f"{sent} sent, {left.waiting} waiting.")
        if failed:
            raise Refused(f"{failed} could not be sent: {left.trouble}")
