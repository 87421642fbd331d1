"""What stands further on in a file, so that the order of its lines matters nowhere."""

from dataclasses import replace

from latchkey.transfer.moving.desk import Desk
from latchkey.transfer.moving.records import (
    AppRecord,
    AuthorizationRecord,
    Record,
    SignIn,
    TokenRecord,
    UserRecord,
)

ALONE = "a refresh token whose access token is not in the file: nobody knows its scopes"


def look(desk: Desk, stage: type[Record], record: Record) -> None:
    """Note on the way what a later stage needs of a record."""
    if stage is UserRecord and isinstance(record, AuthorizationRecord | TokenRecord):
        if record.app:
            desk.asked.setdefault(record.app, set()).update(record.scopes)
        if isinstance(record, TokenRecord) and record.beside:
            desk.lent.setdefault(record.beside, None)
    if stage is AppRecord and isinstance(record, TokenRecord) and not record.beside and record.id in desk.lent:
        desk.lent[record.id] = record.scopes


def together(desk: Desk, record: Record) -> Record:
    """A refresh token and the token beside it, with the scopes of that one, in one sign-in."""
    if not isinstance(record, TokenRecord) or not record.app:
        return record
    if not record.beside:
        return replace(record, sign_in=SignIn(record.id, None)) if record.id in desk.lent else record
    lent = desk.lent.get(record.beside)
    why = record.left_out or (ALONE if lent is None else "")
    return replace(record, scopes=lent or [], sign_in=SignIn(record.beside, None), left_out=why)
