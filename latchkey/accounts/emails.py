"""E-mail addresses: one spelling to keep, compare and send; what all spellings of one have in common."""

from email_validator import EmailNotValidError, validate_email

from latchkey import texts

LONGEST = 254


class InvalidEmail(Exception):
    """No mail can reach this address; the message says so in words."""


def address(text: object) -> str:
    """A mail address as it is kept, compared and sent: its domain in ASCII (IDNA 2008). Raises `InvalidEmail`."""
    try:
        line = texts.line(text, LONGEST)
        found = validate_email(line, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except (texts.BadText, EmailNotValidError):
        raise InvalidEmail("Write an e-mail address such as ada@example.com.") from None
    if found.ascii_email is None or len(found.ascii_email) > LONGEST:
        raise InvalidEmail("Write an e-mail address such as ada@example.com.")
    return found.ascii_email


def key(email: str) -> str:
    """What all spellings of one address have in common. What is no address keeps its beginning alone."""
    try:
        return address(email).lower()
    except InvalidEmail:
        return email[:LONGEST].casefold()


def mailbox(email: str) -> str:
    """Where letters to an address arrive: many servers take no notice of dots and of what stands behind a plus."""
    local, at, domain = key(email).rpartition("@")
    return local.partition("+")[0].replace(".", "") + at + domain
