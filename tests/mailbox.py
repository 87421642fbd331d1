"""The mail that was sent, as its readers get it: delivered from the outbox into the instance's local mail folder."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from operator import itemgetter
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask

from latchkey.mail import outbox


class Received:
    """One letter."""

    def __init__(self, message: EmailMessage) -> None:
        self.to = message["To"]
        self.sender = message["From"]
        self.subject = message["Subject"]
        self.message = message
        self.text = self._part("plain")
        self.html = self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return part.get_content() if part else ""

    def link(self, start: str = "/") -> str:
        """The path of the first link in it that begins like this."""
        for url in re.findall(r"https?://[^\s<>\")]+", self.text):
            parts = urlsplit(url)
            if parts.path.startswith(start):
                return parts.path + (f"?{parts.query}" if parts.query else "")
        raise AssertionError(f"no link to {start} in:\n{self.text}")


class Mailbox:
    """Delivers what waits, then reads: `mailbox.letters()`, `mailbox.last("alice@example.com")`."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app = app
        self.folder = folder
        self._read: dict[tuple[int, str], Received] = {}

    def letters(self, to: str | None = None) -> list[Received]:
        """In the order in which they were posted, which is that of their names; some overtake others on their way."""
        with self.app.app_context():
            outbox.deliver()
        files = sorted(((file.stat().st_mtime_ns, file.name) for file in self.folder.glob("*.eml")), key=itemgetter(1))
        received = [self._read.get(file) or self._open(*file) for file in files]
        return [letter for letter in received if to is None or to in letter.to]

    def _open(self, moment: int, name: str) -> Received:
        """Taking a letter apart is most of reading it, and what is kept stays as it is."""
        message = message_from_bytes((self.folder / name).read_bytes(), policy=policy.default)
        letter = self._read[moment, name] = Received(message)
        return letter

    def last(self, to: str | None = None) -> Received:
        letters = self.letters(to)
        assert letters, f"no mail to {to or 'anybody'}"
        return letters[-1]
