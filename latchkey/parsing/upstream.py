"""What the settings of upstream sign-in may be, by themselves and together."""

import re
from collections.abc import Mapping
from typing import Any

from latchkey import addresses

LONGEST_ISSUER = 500
MOST_GROUPS, LONGEST_GROUP = 50, 200
# OpenID Connect Discovery §2: no query and no fragment. Kept as it is written, since it is compared so.
ISSUER = re.compile(
    r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?(?:/[\w.~!$&'()*+,;=:@/%-]*)?",
    re.ASCII | re.IGNORECASE,
)


# What means nothing without the issuer.
OF_IT = ("oidc_client_id", "oidc_client_secret", "oidc_name", "oidc_groups_claim", "oidc_admin_groups")


def issuer(value: object) -> str:
    """The address by which an OpenID provider names itself; plain http on this machine alone."""
    given = value.strip() if isinstance(value, str) else ""
    found = ISSUER.fullmatch(given)
    plain = found is not None and found[1].lower() == "http"
    if found is None or len(given) > LONGEST_ISSUER or (plain and not addresses.is_loopback(found[2].strip("[]"))):
        raise ValueError("the issuer's https address, as its discovery document writes it (http on this machine alone)")
    return given


def groups(value: object) -> tuple[str, ...]:
    """Names of groups: separated by commas, or a list."""
    given = value if isinstance(value, list) else str(value).split(",")
    named = tuple(each.strip() if isinstance(each, str) else "" for each in given)
    if len(named) > MOST_GROUPS or not all(0 < len(name) <= LONGEST_GROUP and name.isprintable() for name in named):
        raise ValueError(f"up to {MOST_GROUPS} names of groups, separated by commas")
    return named


def contradiction(ours: Mapping[str, Any]) -> str | None:
    """What is wrong with the settings beside each other, in one line."""
    if ours["oidc_issuer"] is None:
        if named := next((name for name in OF_IT if ours[name]), None):
            return f"LATCHKEY_{named.upper()} is set for an upstream that LATCHKEY_OIDC_ISSUER does not name"
        if ours["passwords"] == "off":
            return "LATCHKEY_PASSWORDS cannot be off without an upstream: name it by LATCHKEY_OIDC_ISSUER"
        return None
    if ours["oidc_client_id"] is None:
        return "LATCHKEY_OIDC_CLIENT_ID is missing: what the upstream that LATCHKEY_OIDC_ISSUER names knows us by"
    if bool(ours["oidc_admin_groups"]) != bool(ours["oidc_groups_claim"]):
        return "LATCHKEY_OIDC_GROUPS_CLAIM and LATCHKEY_OIDC_ADMIN_GROUPS go together: set both or neither"
    return None
