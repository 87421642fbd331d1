"""What other systems write of their users, apps and tokens, as tests need it."""

import base64
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SCOPES = ("--scope", "read=account:read", "--scope", "write=account:write")


def lines(path, rows) -> str:
    text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return str(path)


def django(model: str, pk, **fields) -> dict:
    return {"model": model, "pk": pk, "fields": fields}


def row(table: str, **columns) -> dict:
    return {"table": table, "row": columns}


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Signer:
    """A Passport that signs its tokens."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)

    def public(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form)

    def token(self, jti: str, alg: str = "RS256") -> str:
        said = ({"typ": "JWT", "alg": alg}, {"aud": "1", "jti": jti, "sub": "1", "scopes": []})
        body = ".".join(unpadded(json.dumps(part).encode()) for part in said)
        return f"{body}.{unpadded(self._key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
