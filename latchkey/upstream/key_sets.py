"""The keys by which an upstream signs, out of what it says of them (RFC 7517)."""

import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias

from latchkey.loading import Late

if TYPE_CHECKING:
    from joserfc import errors, jwk
else:
    errors, jwk = Late("joserfc.errors"), Late("joserfc.jwk")

KeySet: TypeAlias = "jwk.KeySet"
MOST = 50


def usable(said: dict[str, Any]) -> "KeySet | None":
    """Those that sign, and that nobody but the upstream can have: one of another kind beside them spoils nothing.

    None where there is no list of any.
    """
    listed = said.get("keys")
    if not isinstance(listed, list):
        return None
    found = []
    for entry in listed[:MOST]:
        if (
            not isinstance(entry, dict)
            or entry.get("use", "sig") != "sig"
            or entry.get("kty") not in ("RSA", "EC", "OKP")
        ):
            continue
        with contextlib.suppress(errors.JoseError, ValueError, TypeError):
            key = jwk.JWKRegistry.import_key(entry)
            if not key.is_private:
                found.append(key)
    return jwk.KeySet(found)
