"""What the one decision about bearer credentials says of one."""

from latchkey.tokens import access


def fault(plaintext: str) -> str:
    """Why it is refused; empty if it is not."""
    try:
        access.admit(plaintext)
    except access.InvalidToken as refusal:
        return str(refusal.fault)
    return ""


def works(plaintext: str) -> bool:
    return not fault(plaintext)
