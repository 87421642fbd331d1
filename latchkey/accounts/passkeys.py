"""Passkeys: keys that an authenticator keeps, and that sign our challenges (W3C Web Authentication, level 3; L-13)."""

import json
from base64 import urlsafe_b64encode
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, and_, delete, literal, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, settings
from latchkey.accounts.users import User
from latchkey.ids import new_id
from latchkey.loading import Late
from latchkey.store.session import Base, affected, db, stamp

if TYPE_CHECKING:
    import cbor2
    import webauthn
    from webauthn.helpers import exceptions, structs
else:
    cbor2, webauthn = Late("cbor2"), Late("webauthn")
    exceptions, structs = Late("webauthn.helpers.exceptions"), Late("webauthn.helpers.structs")

LONGEST_NAME = 60
LONGEST_ANSWER = 16 * 1024
# §5.8.1 of the standard: an authenticator's id of a key has at most 1,023 bytes.
LONGEST_ID = 1023
MOST = 20
# What reads JSON, base64, CBOR and keys raises for an answer that is none.
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


class Refused(Exception):
    """What an authenticator answered proves nothing."""


class TooManyPasskeys(Exception):
    """A user has as many as one may have."""


class Passkey(Base):
    """One of a user's passkeys."""

    __tablename__ = "passkey"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("pky"))
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(LONGEST_ID), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    # How often it was used, as the authenticator says; 0 where it does not count.
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    last_used_at: Mapped[datetime | None]


class Answer(NamedTuple):
    """What a browser sends back, as JSON, and the challenge that it was to sign."""

    text: str
    challenge: bytes


class Party(NamedTuple):
    """Who we are to authenticators: a host's name, and the origin of our pages."""

    id: str
    origin: str


def party() -> Party | None:
    """None where passkeys cannot be: browsers bind them to a name, and this installation has an address alone.

    On one's own machine the name is `localhost`.
    """
    address = urlsplit(settings.current().base_url)
    host, name = address.hostname or "", address.hostname or ""
    try:
        if not ip_address(host).is_loopback:
            return None
        name = "localhost"
    except ValueError:
        pass
    port = f":{address.port}" if address.port else ""
    return Party(name, f"{address.scheme}://{name}{port}")


def list_for(user: User) -> list[Passkey]:
    """A user's passkeys, the oldest first, as stored now."""
    statement = select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.id)
    return list(db.scalars(statement.execution_options(populate_existing=True)))


def get_for(user: User, passkey_id: str) -> Passkey | None:
    """A passkey by its id, if it is this user's."""
    return db.scalar(select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user.id))


def any_of(user: User) -> bool:
    """Whether a user has one."""
    return db.scalar(select(Passkey.id).where(Passkey.user_id == user.id).limit(1)) is not None


def _faults() -> tuple[type[Exception], ...]:
    return (exceptions.WebAuthnException, cbor2.CBORError, *_MALFORMED)


def to_register(user: User, challenge: bytes) -> str | None:
    """What a browser asks an authenticator for a new one, as JSON."""
    here = party()
    if here is None:
        return None
    return webauthn.options_to_json(
        webauthn.generate_registration_options(
            rp_id=here.id,
            rp_name=settings.current().brand_name,
            user_id=user.id.encode(),
            user_name=user.email,
            user_display_name=user.name,
            challenge=challenge,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.PREFERRED,
                user_verification=structs.UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(each.credential_id) for each in list_for(user)],
        )
    )


def to_use(challenge: bytes, user: User | None) -> str | None:
    """What a browser asks an authenticator to sign, as JSON: for one of a user's, or for any that it knows.

    Who signs in by a passkey alone has to show the authenticator who they are: it is both factors then.
    """
    here = party()
    if here is None:
        return None
    known = [{"id": _text(each.credential_id), "type": "public-key"} for each in (list_for(user) if user else ())]
    asked = {
        "challenge": _text(challenge),
        "timeout": 60_000,
        "rpId": here.id,
        "allowCredentials": known,
        "userVerification": "required" if user is None else "preferred",
    }
    # Without the library, which takes eight megabytes: everybody who comes to sign in is asked.
    return json.dumps(asked)


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def register(user: User, answer: Answer, name: str) -> Passkey:
    """Take a new one. The user is locked, the challenge spent. Raises `Refused`, `TooManyPasskeys`."""
    here = party()
    if here is None or len(answer.text) > LONGEST_ANSWER:
        raise Refused
    try:
        made = webauthn.verify_registration_response(
            credential=answer.text,
            expected_challenge=answer.challenge,
            expected_rp_id=here.id,
            expected_origin=here.origin,
        )
    except _faults():
        raise Refused from None
    if len(made.credential_id) > LONGEST_ID or _with(made.credential_id) is not None:
        raise Refused
    if len(list_for(user)) >= MOST:
        raise TooManyPasskeys
    passkey = Passkey(
        user_id=user.id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        name=name,
    )
    db.add(passkey)
    db.flush()
    return passkey


def _with(credential_id: bytes) -> Passkey | None:
    statement = select(Passkey).where(Passkey.credential_id == credential_id)
    return db.scalar(statement.execution_options(populate_existing=True))


def find(answer: Answer) -> Passkey | None:
    """The passkey that an answer says it is from. It has proved nothing yet."""
    if len(answer.text) > LONGEST_ANSWER:
        return None
    try:
        return _with(webauthn.base64url_to_bytes(json.loads(answer.text)["id"]))
    except _faults():
        return None


def check(passkey: Passkey, answer: Answer, *, alone: bool) -> int:
    """What the authenticator counts now, if the passkey signed this answer. Raises `Refused`.

    `alone` asks that it has looked at who its user is. The count is the caller's to compare, since it comes from the
    authenticator itself only when the signature is right.
    """
    here = party()
    if here is None:
        raise Refused
    try:
        handle = json.loads(answer.text)["response"].get("userHandle")
        used = webauthn.verify_authentication_response(
            credential=answer.text,
            expected_challenge=answer.challenge,
            expected_rp_id=here.id,
            expected_origin=here.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=alone,
        )
        ours = handle in (None, "") or webauthn.base64url_to_bytes(handle) == passkey.user_id.encode()
    except _faults():
        raise Refused from None
    if not ours:
        raise Refused
    return used.new_sign_count


def count(passkey: Passkey, counted: int) -> bool:
    """Keep how often it was used; False if that is no more than before: there are two of it."""
    counts_on = or_(and_(Passkey.sign_count == 0, literal(counted) == 0), Passkey.sign_count < counted)
    used = update(Passkey).where(Passkey.id == passkey.id, counts_on)
    return affected(used.values(sign_count=counted, last_used_at=clock.now())) == 1


def rename(passkey: Passkey, name: str) -> None:
    """Call it something else."""
    passkey.name = name
    db.flush()


def remove(passkey: Passkey) -> bool:
    """Forget one; whether it was there."""
    return affected(delete(Passkey).where(Passkey.id == passkey.id)) == 1


def remove_all(user: User) -> int:
    """Forget all of a user."""
    return affected(delete(Passkey).where(Passkey.user_id == user.id))
