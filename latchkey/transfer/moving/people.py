"""Users who come in: whoever is here already is found again and not changed."""

from collections.abc import Sequence

from sqlalchemy import select

from latchkey import clock, texts
from latchkey.accounts import emails, passwords, users
from latchkey.accounts.users import User
from latchkey.ids import new_id
from latchkey.naming import names
from latchkey.store.session import db
from latchkey.transfer.moving.desk import REMOVED, Desk, before, remember
from latchkey.transfer.moving.lines import BadLine
from latchkey.transfer.moving.records import UserRecord


def bring_users(desk: Desk, batch: Sequence[tuple[int, UserRecord]]) -> None:
    """Find or make the accounts of a batch."""
    keys = {record.id: desk.key("user", record.id, emails.key(record.email)) for _, record in batch}
    known = before(keys.values())
    for _, record in batch:
        desk.claim(record.id, emails.key(record.email))
    wanted = select(User).where(User.email_key.in_({emails.key(record.email) for _, record in batch}))
    here = {user.email_key: user for user in db.scalars(wanted)}
    for line, record in batch:
        if record.id in desk.doubled:
            desk.skip("users", line, f"user {record.id}: another address has the same id, so nothing is theirs")
            continue
        if record.id in desk.users:
            continue
        try:
            user, new = _user(record, here, came_before=keys[record.id] in known)
        except BadLine as error:
            desk.skip("users", line, f"user {record.id}: {error}")
            continue
        remember(known, keys[record.id], user.id)
        desk.users[record.id] = user.id
        desk.count("users", new=new)
    db.flush()


def _user(record: UserRecord, here: dict[str, User], *, came_before: bool) -> tuple[User, bool]:
    if record.left_out:
        raise BadLine(record.left_out)
    try:
        email = emails.address(record.email)
    except emails.InvalidEmail:
        raise BadLine("its e-mail address is none") from None
    user = here.get(emails.key(email))
    if user is None and came_before:
        raise BadLine(REMOVED)
    if user is not None and not user.verified:
        # Whoever signed up with it may be somebody else.
        raise BadLine("its address has an account here that did not verify it")
    if user is not None and user.disabled_at is not None:
        raise BadLine("it is suspended here")
    if user is not None:
        return user, False
    made = User(
        id=new_id("usr"),
        email=email,
        email_key=emails.key(email),
        email_verified_at=clock.now(),
        name=_name(record.name, email),
        # They choose one by the mailed link; those of other systems stay there.
        password_hash=passwords.ENDED,
        created_at=record.created_at or clock.now(),
    )
    db.add(made)
    here[made.email_key] = made
    return made, True


def _name(wanted: str, email: str) -> str:
    for text in (wanted[: users.LONGEST_NAME], email.partition("@")[0][: users.LONGEST_NAME]):
        try:
            return names.check(text, users.LONGEST_NAME)
        except texts.BadText:
            continue
    return "Somebody"
