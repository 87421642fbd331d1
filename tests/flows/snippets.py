"""Code as a page shows it, and a shell that runs it as its reader would."""

import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path


class _Blocks(HTMLParser):
    """The text of every `<code id=…>`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._inside: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "code":
            self._inside = dict(attrs).get("id")
            if self._inside is not None:
                self.found[self._inside] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "code":
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.found[self._inside] += data


def of(page: str) -> dict[str, str]:
    """The code blocks of a page by their ids, as the Copy button copies them."""
    return {name: text.strip() for name, text in _Blocks(page).found.items()}


def environment() -> dict[str, str]:
    """That of a new terminal: nothing of the `make` that runs the tests, and nothing of an operator's settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("LATCHKEY_", "MAKE", "MFLAGS"))}


def run(*script: str, folder: Path, typed: str = "", **more: str) -> str:
    """What the lines print, run in one terminal. Fails with the first line that fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        input=typed,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment() | more,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def statuses(output: str) -> list[int]:
    """The statuses in what `curl -i` printed."""
    return [int(status) for status in re.findall(r"HTTP/1\.1 (\d+)", output)]


def challenges(output: str) -> list[str]:
    """The challenges in what `curl -i` printed."""
    return [line.strip() for line in re.findall(r"^www-authenticate: (.*)$", output, re.MULTILINE | re.IGNORECASE)]
