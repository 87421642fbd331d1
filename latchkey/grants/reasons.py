"""Why sign-ins of apps end."""

from enum import StrEnum


class EndReason(StrEnum):
    """Why a grant ended."""

    CODE_REPLAYED = "code replayed"
    REFRESH_REPLAYED = "refresh token replayed"
    ENDLESS = "refreshed without end"
    REVOKED = "revoked by the app"
    WITHDRAWN = "withdrawn by the user"
    SIGNED_OUT = "sign-in ended by the user"
    CUT_OFF = "cut off by the app's owner"
    SUSPENDED = "the app was suspended"
    SECRETS_ENDED = "the app's secrets were ended"
    REPORTED = "reported as leaked"
    TRIED_OUT = "tried out by the app's owner"
    OPERATOR = "ended by an operator"
