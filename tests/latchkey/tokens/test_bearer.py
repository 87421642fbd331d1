"""What a bearer is read by."""

from latchkey.tokens import bearer
from latchkey.tokens.bearer import Bearer


def test_columns_stand_in_the_order_of_the_fields():
    """Rows become bearers as they are."""
    assert [column.key for column in bearer.columns()] == list(Bearer._fields)


def test_what_introspection_does_not_read_says_nothing_of_a_person():
    read = [column.key for column in bearer.columns(brief=True)]

    assert Bearer._fields == (*read, *Bearer._field_defaults)
    assert {"email", "name", "email_verified", "user_created", "user_updated", "description"}.isdisjoint(read)
    # What decides is read, whoever asks.
    assert {"fault", "parent_id", "scope", "resource", "allowed_addresses", "expires"} <= set(read)
