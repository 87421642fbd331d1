"""Bringing users, apps, authorizations and tokens in: a batch is there whole or not, and what is there stays as it is.

So an import that was killed is begun again, and one that is repeated brings what is new.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO, TypeVar

from latchkey import credentials
from latchkey.accounts.users import User
from latchkey.store import conflicts, leases
from latchkey.store.session import db
from latchkey.tokens.imported import proofs
from latchkey.tokens.imported import record as imported
from latchkey.tokens.imported.record import ForeignSigner
from latchkey.transfer.moving import ahead, apps, holding, lines, people
from latchkey.transfer.moving.desk import Counts, Desk, Tell
from latchkey.transfer.moving.lines import BadLine, Line
from latchkey.transfer.moving.records import (
    STAGES,
    AppRecord,
    AuthorizationRecord,
    Record,
    TokenRecord,
    UserRecord,
)
from latchkey.transfer.moving.systems import django, doorkeeper, keys, laravel, ours

BATCH = 200
Item = TypeVar("Item")
Numbered = tuple[int, Any]

READERS: dict[str, tuple[Callable[[BinaryIO], Iterator[Line]], Callable[[Any], list[Record]]]] = {
    ours.SYSTEM: (lines.read, ours.records),
    "django-oauth-toolkit": (lines.read, django.records),
    "doorkeeper": (lines.read, doorkeeper.records),
    "passport": (lines.read, laravel.records),
    "csv": (keys.read, keys.records),
}
_BRINGING: dict[type[Record], Callable[[Desk, Sequence[Any]], None]] = {
    UserRecord: people.bring_users,
    AppRecord: apps.bring_apps,
    AuthorizationRecord: holding.bring_authorizations,
    TokenRecord: holding.bring_tokens,
}


def bring(
    file: BinaryIO,
    system: str,
    *,
    names: Mapping[str, frozenset[str]],
    owner: User | None,
    public_key: bytes | None,
    tell: Tell,
) -> Desk:
    """Import a file of a system; `tell` hears of each line of which something is left out, as it comes up.

    Raises `proofs.BadAlgorithm` for a key that is none, `keys.NoTable`.
    """
    desk = Desk(system, names, owner, None if public_key is None else _signer(public_key), tell)
    for stage in STAGES:
        told = _records(file, desk, stage, said=stage is not STAGES[0])
        while batch := list(islice(told, BATCH)):
            _brought(desk, stage, batch)
    imported.refresh()
    return desk


def _brought(desk: Desk, stage: type[Record], batch: list[Numbered]) -> None:
    before = {kind: (counts.new, counts.known, counts.skipped) for kind, counts in desk.counts.items()}
    ended, found = desk.ended, desk.apps if stage is AppRecord else desk.users
    fresh = {record.id for _, record in batch if isinstance(record, UserRecord | AppRecord)} - found.keys()

    def work() -> None:
        # What met somebody else's change begins again from what was known before.
        for id in fresh:
            found.pop(id, None)
        desk.notes.clear()
        desk.ended = ended
        desk.counts.update({kind: Counts(*numbers) for kind, numbers in before.items()})
        # Whoever imports beside us has committed what it brought before we look.
        leases.alone(leases.MOVING)
        _BRINGING[stage](desk, batch)
        db.commit()
        db.expunge_all()

    conflicts.again(work)
    desk.settle()


def _records(file: BinaryIO, desk: Desk, stage: type[Record], *, said: bool) -> Iterator[Numbered]:
    """The records of one kind; what cannot be read is told once."""
    read, records = READERS[desk.system]
    for line in read(file):
        fault, found = line.fault, list[Record]()
        if not fault:
            try:
                found = records(line.value)
            except BadLine as error:
                fault = str(error)
        if fault and not said:
            desk.unread += 1
            desk.tell(line.number, fault)
        for record in found:
            ahead.look(desk, stage, record)
        yield from ((line.number, ahead.together(desk, record)) for record in found if isinstance(record, stage))


def _signer(pem: bytes) -> bytes:
    """Keep a public key; its id."""
    key = proofs.public_key(pem)
    id = credentials.digest(key.hex())
    leases.alone(leases.MOVING)
    if db.get(ForeignSigner, id) is None:
        db.add(ForeignSigner(id=id, public_key=key))
    db.commit()
    return id
