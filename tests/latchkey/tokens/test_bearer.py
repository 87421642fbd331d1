"""What a bearer is read by."""

import pytest

from latchkey.tokens import access, bearer
from latchkey.tokens.bearer import Bearer
from oauth.endpoints import together

PERSONAL = {"email", "name", "email_verified", "user_created", "user_updated", "description"}


def test_columns_stand_in_the_order_of_the_fields():
    """Rows become bearers as they are."""
    assert [column.key for column in bearer.columns()] == list(Bearer._fields)


@pytest.mark.parametrize(
    "last, told", [(together.LAST, set()), (access.WHO, {"email"}), (access.PERSON, PERSONAL - {"description"})]
)
def test_who_does_not_read_all_reads_what_decides_and_of_a_person_what_they_tell(last, told):
    read = [column.key for column in bearer.columns(last=last)]

    assert Bearer(*read, *access.unread(last)) == (*read, *access.unread(last))
    assert PERSONAL & set(read) == told
    # What decides is read, whoever asks.
    assert {"fault", "parent_id", "scope", "resource", "allowed_addresses", "expires"} <= set(read)
