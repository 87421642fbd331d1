"""E-mail addresses: one spelling to keep, compare and send, and which of them may have an account here."""

from email_validator import EmailNotValidError, validate_email

from latchkey import domains, settings, texts

LONGEST = 254


class InvalidEmail(Exception):
    """No mail can reach this address; the message says so in words."""


class SignupClosed(Exception):
    """This installation does not let this address sign up; the message says who may."""


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


def check_sign_up(email: str) -> None:
    """Raises `SignupClosed` if nobody can sign up with this address by themselves."""
    if settings.current().signup == "invite":
        raise SignupClosed("Accounts here are made by an administrator.")
    check_allowed(email)


def check_allowed(email: str) -> None:
    """Raises `SignupClosed` if no account here, new or old, may have this address."""
    allowed = settings.current().signup_domains
    if allowed and key(email).rpartition("@")[2] not in allowed:
        named = ", ".join(domains.shown(domain) for domain in sorted(allowed))
        raise SignupClosed(f"Accounts here are for addresses at {named}.")
