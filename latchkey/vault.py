"""Sealing of what must be readable again later, so that a database dump alone opens nothing."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from latchkey import settings


@lru_cache(maxsize=4)
def _box(secret: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"latchkey vault").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))


def seal(text: str) -> str:
    """Encrypt and authenticate `text` under the installation's secret key."""
    return _box(settings.current().secret_key).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The text that was sealed. Raises `cryptography.fernet.InvalidToken` when the secret key is another one."""
    return _box(settings.current().secret_key).decrypt(sealed.encode()).decode()
