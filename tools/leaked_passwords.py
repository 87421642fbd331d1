"""Make latchkey/accounts/leaked-passwords.bin of a list of leaked passwords, one a line.

Run as `python -m tools.leaked_passwords LIST`. What may become a password here is kept, as the sorted first bytes of
its SHA-256; where the list is from, and how seldom it is mistaken, stands in docs/accounts.md.
"""

import sys
from pathlib import Path

from latchkey.accounts import breaches, passwords


def main(source: Path) -> None:
    """Write the filter."""
    lines = source.read_text(encoding="utf-8", errors="ignore").splitlines()
    kept = {breaches.prefix(line) for line in lines if passwords.SHORTEST <= len(line) <= passwords.LONGEST}
    breaches.SHIPPED.write_bytes(b"".join(sorted(kept)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
