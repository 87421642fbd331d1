"""/dev/mail: letters that were kept instead of sent, readable in development only."""

import re
from datetime import datetime
from email import message_from_bytes
from email import policy as mail_policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Response, abort, make_response, render_template, request

from latchkey import settings
from latchkey.mail import transport
from portal.blueprint import blueprint
from web import policy

MOST = 100
HEAD = re.compile(r"(<head\b[^>]*>)", re.IGNORECASE)


class Kept(NamedTuple):
    """One letter as its reader gets it."""

    id: str
    subject: str
    to: str
    sender: str
    at: datetime
    text: str
    html: str


def _read(path: Path) -> Kept:
    message = message_from_bytes(path.read_bytes(), policy=mail_policy.default)
    return Kept(
        id=path.stem,
        subject=str(message["Subject"]),
        to=str(message["To"]),
        sender=str(message["From"]),
        at=message["Date"].datetime,
        text=_part(message, "plain"),
        html=_part(message, "html"),
    )


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    return str(body.get_content()) if body else ""


def _shown_here() -> bool:
    """Only in development, and only for expected Host names (DNS rebinding)."""
    ours = settings.current()
    try:
        host = urlsplit(f"//{request.host}").hostname or ""
        return ours.development and (host in ("localhost", urlsplit(ours.base_url).hostname) or bool(ip_address(host)))
    except ValueError:
        return False


def _file(letter_id: str) -> Path:
    path = transport.folder() / f"{letter_id}.eml"
    if not _shown_here() or not path.is_file():
        abort(404)
    return path


def _private(body: str, kind: str, content_policy: str) -> Response:
    response = make_response(body)
    response.content_type = f"{kind}; charset=utf-8"
    response.headers["Content-Security-Policy"] = content_policy
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/dev/mail")
def dev_mail() -> Response:
    """Every letter, newest first."""
    if not _shown_here():
        abort(404)
    newest = sorted(transport.folder().glob("*.eml"), key=lambda path: path.name, reverse=True)[:MOST]
    page = render_template(
        "portal/dev_mail/index.html", letters=[_read(path) for path in newest], server=settings.current().mail_server
    )
    return _private(page, "text/html", policy.FRAMING)


@blueprint.get("/dev/mail/<id:letter_id>")
def dev_letter(letter_id: str) -> Response:
    """One letter: its text, and its HTML in a frame."""
    page = render_template("portal/dev_mail/letter.html", letter=_read(_file(letter_id)))
    return _private(page, "text/html", policy.FRAMING)


@blueprint.get("/dev/mail/<id:letter_id>/html")
def dev_letter_html(letter_id: str) -> Response:
    """What a mail program shows of a letter."""
    html = HEAD.sub(r'\1<base target="_top">', _read(_file(letter_id)).html, count=1)
    return _private(html, "text/html", policy.LETTER)


@blueprint.get("/dev/mail/<id:letter_id>/source")
def dev_letter_source(letter_id: str) -> Response:
    """A letter as it would travel."""
    source = _file(letter_id).read_bytes().decode("utf-8", "replace")
    return _private(source, "text/plain", policy.LETTER)
