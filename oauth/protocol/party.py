"""A client as the protocol sees it: what Authlib asks of one."""

from collections.abc import Collection
from typing import Protocol

from authlib.oauth2.rfc6749 import ClientMixin

from latchkey import clients, scopes
from latchkey.clients import redirects

KEY_METHOD = "private_key_jwt"
SECRET_METHODS = ("client_secret_basic", "client_secret_post")
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Known(Protocol):
    """What is known of a client: its record, or a row with these columns."""

    @property
    def id(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def confidential(self) -> bool: ...
    @property
    def pkce_required(self) -> bool: ...
    @property
    def trusted(self) -> bool: ...
    @property
    def keyed(self) -> bool: ...
    @property
    def answered_for(self) -> bool: ...
    @property
    def device_flow(self) -> bool: ...
    @property
    def resource_server(self) -> bool: ...
    @property
    def proofs_ended(self) -> int: ...


class Party(ClientMixin):
    """A client that is not suspended, and the answers to Authlib's questions about it."""

    __slots__ = (
        "_known",
        "answered_for",
        "confidential",
        "device_flow",
        "due",
        "id",
        "keyed",
        "pkce_required",
        "proofs_ended",
        "redirect_uris",
        "resource_server",
    )

    def __init__(self, known: Known, redirect_uris: Collection[str] = ()) -> None:
        self._known, self.redirect_uris = known, redirect_uris
        self.id, self.confidential, self.pkce_required = known.id, known.confidential, known.pkce_required
        self.resource_server, self.device_flow, self.keyed = known.resource_server, known.device_flow, known.keyed
        self.proofs_ended = known.proofs_ended
        # Whether it can prove itself, and somebody here answers for it: one that describes itself is anybody's.
        self.answered_for = known.answered_for and known.confidential
        # The secret that proved it, if its use is to be noted, once in a while.
        self.due: str | None = None

    @property
    def scopes(self) -> frozenset[str]:
        """What it may ask for."""
        return scopes.open_to(scopes.held(self._known.scope), trusted=self._known.trusted)

    def note_use(self) -> None:
        """Keep when the secret was last used, so that its owner sees when an old one can go (D-12)."""
        if self.due is not None:
            clients.note_secret_use(self.due)

    def note_use_soon(self) -> None:
        """The same for a call that only reads, which waits for nobody who writes."""
        if self.due is not None:
            clients.note_secret_use_soon(self.due)

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str:
        """The one that may be left out, if there is just one (B-06)."""
        return next(iter(self.redirect_uris)) if len(self.redirect_uris) == 1 else ""

    def get_allowed_scope(self, scope: Collection[str] | str) -> str:
        """What was asked for, or all that the client is registered for. None when one is not allowed (B-17)."""
        try:
            wanted = scopes.parse(str(scope or "")) or self.scopes
        except scopes.UnknownScope:
            return None  # type: ignore[return-value] # Authlib's way to hear "invalid_scope"; its stubs lag behind
        return scopes.serialize(wanted) if wanted and wanted <= self.scopes else None  # type: ignore[return-value] # as above

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return any(redirects.matches(redirect_uri, registered) for registered in self.redirect_uris)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """By its keys, or either way to send a secret, or by none if it is public, everywhere (D-03)."""
        if self.keyed:
            return method == KEY_METHOD
        return method in SECRET_METHODS if self.confidential else method == "none"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        if grant_type == DEVICE_GRANT:
            return self.device_flow
        return self.answered_for or grant_type != "client_credentials"
