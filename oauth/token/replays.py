"""What is used once and comes again."""

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError

from latchkey import grants, notices
from latchkey.accounts import users
from latchkey.grants import EndReason, Grant
from latchkey.store.session import db
from oauth.protocol.parties import Noted


class Replayed(InvalidGrantError, Noted):
    """What is used once was used before: somebody has a copy (C-07, E-05)."""

    def __init__(self, description: str, grant_id: str, reason: EndReason) -> None:
        super().__init__(description)
        self.grant_id, self.ended_for = grant_id, reason

    def note(self) -> OAuth2Error:
        """End the grant, for good, whatever becomes of the refusal."""
        grant = db.get(Grant, self.grant_id)
        # The first of all locks: whoever deletes this user has it, and goes on to the grant (conflicts).
        user = users.lock(grant.user_id) if grant is not None and grant.user_id is not None else None
        if grant is not None and grants.end(grant.id, self.ended_for) and user is not None:
            code = self.ended_for is EndReason.CODE_REPLAYED
            told = notices.code_replayed if code else notices.refresh_replayed
            told(user, grant.client)
        db.commit()
        return self
