"""What other systems keep of an app's secret, and what is kept of it here."""

from typing import Any

from latchkey import credentials
from latchkey.clients.moved.record import SHORTEST_SECRET
from latchkey.tokens.imported.proofs import HEX_DIGITS, BadAlgorithm, sha256, verifier

# Django writes the name of Argon2 before what Argon2 itself writes.
DJANGO_ARGON2 = "argon2$argon2"
ROTATE = "its owner rotates it here"


def kept(written: str) -> dict[str, Any]:
    """What of an app's record its secret is: by SHA-256, or by what proves it; what is none of these is told.

    What has a $ is a digest of some kind: taken for the secret itself, whoever has read it could use it.
    """
    if not written:
        return {}
    if hexadecimal(written):
        return {"secrets": [(sha256(written), "", None)]}
    if "$" in written:
        proof = written.removeprefix("argon2") if written.startswith(DJANGO_ARGON2) else written
        try:
            verifier(proof)
        except BadAlgorithm as error:
            return {"note": f"its secret does not come along ({error}): {ROTATE}"}
        return {"proof": proof}
    if len(written) < SHORTEST_SECRET:
        return {"note": f"its secret has less than {SHORTEST_SECRET} characters: {ROTATE}"}
    return {"secrets": [(credentials.digest(written), written[-4:], None)]}


def hexadecimal(written: str) -> bool:
    """Whether this is taken for a SHA-256 digest."""
    return len(written) == HEX_DIGITS and set(written) <= set("0123456789abcdef")


def shown(written: str) -> str:
    """What is shown of a string as it was kept; nothing of a digest."""
    return "" if hexadecimal(written) else written[-4:]
