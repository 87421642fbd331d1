"""Mail transport: SMTP or local files."""

import contextlib
import os
import smtplib
import ssl
from collections.abc import Mapping
from email import charset
from email.mime.text import MIMEText
from email.utils import formataddr, parseaddr
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from flask import Flask
from flask_mail import Connection, Mail, Message

from latchkey import settings, texts

# The timeout of each step. Generous, since a letter that the server accepts after it would be sent again.
SMTP_SECONDS = 30
# Faults that concern one letter; any other fault concerns the connection, so all letters.
ABOUT_ONE = (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)

QUOTED = charset.Charset("utf-8")
QUOTED.body_encoding = charset.QP


class _Message(Message):
    """A message whose lines are short enough for every server, whatever is in them."""

    def _mimetext(self, text: str | None, subtype: str = "plain") -> MIMEText:
        return MIMEText(text or "", subtype, QUOTED)  # type: ignore[arg-type] # takes a Charset as well as its name


class _Connection(Connection):
    """A conversation that ends in bounded time and whose goodbye cannot undo what was said."""

    def configure_host(self) -> smtplib.SMTP | smtplib.SMTP_SSL:
        mail, name = self.mail, urlsplit(settings.current().base_url).hostname
        trust = ssl.create_default_context()
        host: smtplib.SMTP = (
            smtplib.SMTP_SSL(mail.server, mail.port, local_hostname=name, timeout=SMTP_SECONDS, context=trust)
            if mail.use_ssl
            else smtplib.SMTP(mail.server, mail.port, local_hostname=name, timeout=SMTP_SECONDS)
        )
        try:
            if mail.use_tls:
                host.starttls(context=trust)
            if mail.username and mail.password:
                host.login(mail.username, mail.password)
        except BaseException:
            host.close()
            raise
        return host

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.host is not None:
            with contextlib.suppress(OSError):  # smtplib's own exceptions among them
                self.host.quit()
            self.host.close()


_mail = Mail()


def configure(app: Flask) -> None:
    """Give Flask-Mail the settings of this process."""
    ours = settings.current()
    app.config.update(
        MAIL_SERVER=ours.mail_server,
        MAIL_PORT=ours.mail_port,
        MAIL_USERNAME=ours.mail_username,
        MAIL_PASSWORD=ours.mail_password,
        MAIL_USE_TLS=ours.mail_use_tls,
        MAIL_USE_SSL=ours.mail_use_ssl,
        MAIL_DEFAULT_SENDER=_sender(),
        MAIL_SUPPRESS_SEND=False,
        MAIL_DEBUG=0,
    )
    _mail.state = _mail.init_app(app)


def _sender() -> str:
    name, address = parseaddr(settings.current().mail_sender)
    return formataddr((name or settings.current().brand_name, address))


def _message(letter_id: str, recipient: str, subject: str, parts: Mapping[str, str]) -> Message:
    message = _Message(subject, recipients=[recipient], body=parts["text"], html=parts["html"], sender=_sender())
    domain = parseaddr(settings.current().mail_sender)[1].rpartition("@")[2]
    # The same at every attempt, so that a mail program recognises what reached it twice.
    message.msgId = f"<{letter_id}@{domain}>"
    message.extra_headers = {"Auto-Submitted": "auto-generated"}
    return message


def carry(letter_id: str, recipient: str, subject: str, parts: Mapping[str, str]) -> None:
    """Hand one letter over. Raises what smtplib, the network or the disk raise, within bounded time."""
    message = _message(letter_id, recipient, subject, parts)
    if settings.current().mail_server is None:
        _keep(folder() / f"{letter_id}.eml", message.as_bytes())
        return
    with connect() as connection:
        connection.send(message)


def connect() -> Connection:
    """A conversation with the configured mail server, begun on entering its context."""
    return _Connection(_mail.state)  # type: ignore[arg-type] # `_Mail` has what a `Connection` reads


def folder() -> Path:
    """Where letters are kept when there is no mail server."""
    return settings.current().instance / "mail"


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)


def away(error: Exception) -> bool:
    """Whether the server could not be talked to at all, so that other letters would fare no better."""
    return isinstance(error, OSError) and not isinstance(error, ABOUT_ONE)


def words(error: Exception) -> str:
    """What went wrong, in one line for the operator: what the server answered, else the kind of fault."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
        return _reply(code, text)
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, error.smtp_error)
    # What Python calls a fault of the network tells an operator less than what the system says of it.
    if reason := getattr(error, "strerror", None):
        return texts.printable(str(reason), 200)
    said = f": {error}" if isinstance(error, smtplib.SMTPServerDisconnected) else ""
    return texts.printable(f"{type(error).__name__}{said}", 200)


def _reply(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return texts.printable(f"{code} {' '.join(said.split())}", 200)
