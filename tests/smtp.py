"""Mail servers as operators have them: one that accepts, one that refuses, one that never says a word."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests import servers
from tests.mailbox import Received


class Postman:
    """What an SMTP server answers, and what it was given."""

    def __init__(self, *, rcpt: str = "250 OK", data: str = "250 OK", slow: float = 0, rude: bool = False) -> None:
        self.rcpt, self.data, self.slow, self.rude = rcpt, data, slow, rude
        self.port = 0
        self.received: list[Received] = []
        self.raw: list[bytes] = []
        self.logins: list[bytes] = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if self.rcpt.startswith("2") or "refused" not in address:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return self.rcpt

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(self.slow)
        if self.data.startswith("2"):
            self.raw.append(envelope.content)
            self.received.append(Received(message_from_bytes(envelope.content, policy=policy.default)))
        return self.data

    async def handle_QUIT(self, server, _session, _envelope):  # noqa: N802 - aiosmtpd's name
        if self.rude:
            server.transport.abort()
        return "221 Bye"

    def login(self, _server, _session, _envelope, _mechanism, credentials):
        self.logins.append(credentials.password)
        right = credentials.password == b"right-password"
        return AuthResult(success=right, handled=right)


@contextlib.contextmanager
def server(port: int | None = None, tls: ssl.SSLContext | None = None, **behaviour: object) -> Iterator[Postman]:
    """A running server; `.port` is where, `.received` what it accepted."""
    postman = Postman(**behaviour)
    postman.port = port or servers.free_port()
    more = {"tls_context": tls, "require_starttls": True, "authenticator": postman.login, "auth_required": True}
    more |= {"auth_exclude_mechanism": ["LOGIN"]}  # it hangs up when both mechanisms failed
    controller = Controller(postman, hostname="127.0.0.1", port=postman.port, **(more if tls else {}))
    controller.start()
    try:
        yield postman
    finally:
        controller.stop()


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """The port of a server that lets everybody in and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield listener.getsockname()[1]
