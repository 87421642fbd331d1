"""What a bearer is read by."""

import pytest

from latchkey.tokens import access
from latchkey.tokens.bearer import Bearer, reading
from oauth.endpoints import together

PERSONAL = {"email", "name", "email_verified", "user_created", "user_updated", "description"}
# What is read, whoever asks.
DECIDING = {"kind", "fault", "parent_id", "scope", "resource", "allowed_addresses"}


def test_columns_stand_in_the_order_of_the_fields():
    """Rows become bearers as they are."""
    assert [column.key for column in reading.columns()] == list(Bearer._fields)


@pytest.mark.parametrize("last, told", [(access.WHO, {"email"}), (access.PERSON, PERSONAL - {"description"})])
def test_who_does_not_read_all_reads_what_decides_and_of_a_person_what_they_tell(last, told):
    read = [column.key for column in reading.columns(first="token_id", last=last)]

    assert Bearer(b"", *read, *reading.unread(last))[1:] == (*read, *reading.unread(last))
    assert PERSONAL & set(read) == told
    assert set(read) >= DECIDING


def test_introspection_reads_what_decides_and_nothing_of_a_person():
    read = {column.key for column in together.TOLD}

    assert read == DECIDING | {
        "token_id",
        "used_lately",
        "grant_id",
        "user_id",
        "client_id",
        "client_url",
        "created",
        "expires",
    }
