"""Domain names in ASCII (IDNA 2008 by UTS 46, not transitional) to keep, compare and send; as written to show."""

import idna

LONGEST = 253
LONGEST_TYPED = 4 * LONGEST


def to_ascii(domain: str) -> str:
    """A domain as it is kept. Raises `ValueError` for what is none."""
    if len(domain) > LONGEST_TYPED:
        raise ValueError("longer than a domain name")
    # Python's own codec is IDNA 2003, in which straße.example is strasse.example.
    found = idna.encode(domain, uts46=True, std3_rules=True).decode()
    if "." not in found or found.endswith("."):
        raise ValueError("not a domain name")
    return found


def shown(domain: str) -> str:
    """A domain as people write it; in ASCII where it is none of IDNA."""
    if "xn--" not in domain:
        return domain
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def shown_address(email: str) -> str:
    """A mail address with its domain as people write it."""
    local, at, domain = email.rpartition("@")
    return f"{local}{at}{shown(domain)}"
