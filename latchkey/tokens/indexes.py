"""By what tokens are looked for: conditions, and the indexes of those for which they hold.

The conditions are used as the indexes say them, word for word: otherwise SQLite does not see that an index holds all
that is looked for.
"""

from sqlalchemy import text

from latchkey.store.session import some

NOT_REFRESH = "kind <> 'ort'"
DEVELOPER = text("token.kind = 'dev'")
UNREVOKED = "kind = 'dev' AND revoked_at IS NULL"
# Those that wait for an administrator, beside such as have expired.
WAITING = "waiting_since IS NOT NULL AND revoked_at IS NULL"
# A user's own tokens, without the strings that some had before.
LISTED = "kind = 'dev' AND successor_id IS NULL"
# What an index must hold of a token for a long list to be read from the index alone.
OF_LISTED = ("kind", "successor_id", "revoked_at", "expires_at")
TOLD = ("last_used_at", "description")

# Each costs every token that is issued, so most hold only the rows that are looked for in them.
INDEXES = (
    some(None, "user_id", "kind", "id", where="user_id IS NOT NULL"),
    some("ix_token_developer", "id", where="kind = 'dev'"),
    some(None, "user_id", "form_id", where="form_id IS NOT NULL", unique=True),
    some(None, "grant_id", where="grant_id IS NOT NULL"),
    some(None, "parent_id", where="parent_id IS NOT NULL"),
    some(None, "expires_at", where=NOT_REFRESH),
    some("ix_token_ending", "expires_at", "id", where="kind = 'dev'"),
    some("ix_token_unrevoked", "user_id", "expires_at", where=UNREVOKED),
    some("ix_token_waiting", "expires_at", "id", where=WAITING),
    some(None, "revoked_at", where="revoked_at IS NOT NULL"),
    # By these a list is counted. On SQLite also by scopes, of which a row of PostgreSQL's indexes cannot hold 4,000
    # characters; and there is one for each order. PostgreSQL sorts thousands in a millisecond.
    some(
        "ix_token_listed",
        *("user_id", "kind", "revoked_at", "expires_at", *TOLD, "successor_id", "id"),
        where=LISTED,
        only="postgresql",
    ),
    some(
        "ix_token_counted",
        *("user_id", "scope", *OF_LISTED, *TOLD, "last4", "last_used_address"),
        where=LISTED,
        only="sqlite",
    ),
    some("ix_token_by_use", "user_id", "last_used_at", "id", *OF_LISTED, where=LISTED, only="sqlite"),
    some("ix_token_by_end", "user_id", "expires_at", "id", *OF_LISTED[:3], where=LISTED, only="sqlite"),
    # In whatever case the description is written.
    some("ix_token_by_name", "user_id", "description", "id", *OF_LISTED, where=LISTED, only="sqlite"),
)
