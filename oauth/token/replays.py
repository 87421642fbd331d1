"""What is used once and comes again."""

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError

from latchkey import grants, notices
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
        if grants.end(self.grant_id, self.ended_for):
            grant = db.get_one(Grant, self.grant_id)
            if grant.user is not None:
                code = self.ended_for is EndReason.CODE_REPLAYED
                told = notices.code_replayed if code else notices.refresh_replayed
                told(grant.user, grant.client)
        db.commit()
        return self
