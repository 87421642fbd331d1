"""Proves the secret of an app that came from another system, once: then it is known as ours are."""

from sqlalchemy import bindparam, delete, exists, update
from sqlalchemy.orm import aliased

from latchkey import credentials
from latchkey.clients import ClientSecret
from latchkey.clients.moved.record import ForeignSecret
from latchkey.store.drivers.transactions import transaction
from latchkey.store.prepared import PreparedWrite
from latchkey.tokens.imported import proofs
from latchkey.tokens.imported.lookup import Unproved

_other = aliased(ClientSecret)
_of_another = exists().where(_other.digest == bindparam("learned"), _other.id != bindparam("secret_id"))
_learned = PreparedWrite(
    update(ClientSecret)
    .where(ClientSecret.id == bindparam("secret_id"), ~_of_another)
    .values(digest=bindparam("learned"), last4=bindparam("shown"))
)
_forgotten = PreparedWrite(delete(ForeignSecret).where(ForeignSecret.secret_id == bindparam("secret_id")))


class UnprovedSecret(Unproved):
    """What an app sent may be the secret that another system kept so."""

    # Whether it can be known here: not where another app has the same.
    kept = False

    def __init__(self, plaintext: str, proof: str, secret_id: str) -> None:
        super().__init__(plaintext, lambda: proofs.verifier(proof)(plaintext.encode("utf-8", "surrogatepass")), b"")
        self._secret_id, self._learned = secret_id, {"learned": credentials.digest(plaintext), "shown": plaintext[-4:]}

    def keep(self) -> None:
        """From now on it is known as ours."""
        with transaction() as connection:
            self.kept = _learned.run(connection, {"secret_id": self._secret_id} | self._learned) == 1
            _forgotten.run(connection, {"secret_id": self._secret_id})
