"""The conversation of one sign-in: where the browser is sent, and whom its coming back with a code names."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client

from latchkey import credentials, settings
from latchkey.accounts import emails
from latchkey.fetching import operators
from latchkey.fetching.operators import Reply
from latchkey.upstream import provider, tokens
from latchkey.upstream.provider import Away, Provider
from latchkey.upstream.tokens import Refused

CALLBACK = "/login/oidc/callback"
LONGEST_NAME = 200
MOST_GROUPS = 2_000
# RFC 8176: the upstream asked for more than one thing.
SECOND_FACTOR = "mfa"
# OpenID Connect Core §5.1: what userinfo adds to an ID token; nothing that says when or how somebody signed in.
FROM_USERINFO = ("email", "email_verified", "name", "preferred_username")


class Begun(NamedTuple):
    """What one sign-in is known by when it comes back; its browser keeps it, sealed."""

    state: str
    nonce: str
    verifier: str


class Person(NamedTuple):
    """Whom the upstream named, as far as we use it. An address that cannot be kept is None."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str
    administers: bool
    with_factor: bool
    sid: str | None
    issued_at: datetime
    authenticated_at: datetime | None


class _Answer:
    """A reply as Authlib reads it."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self._reply = reply

    def json(self) -> dict[str, Any]:
        """Its JSON object. Raises `ValueError`."""
        return provider.parsed(self._reply._replace(status=200), "the token endpoint")

    def raise_for_status(self) -> None:
        """Raises `Away`: it is no answer of a token endpoint."""
        raise Away(f"the token endpoint answers {self._reply.status}")


class _Session:
    """What Authlib's client speaks through: one bounded post."""

    def __init__(self, until: float) -> None:
        self._until = until

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> _Answer:
        """What is answered there. Raises `NotFetched`."""
        uri, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return _Answer(operators.post(uri, body, most=provider.LONGEST, until=self._until, headers=sent))


def _basic(client: Any, _method: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    """RFC 6749 §2.3.1: each half is encoded like a field of a form before it is joined."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return uri, headers | {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, body


def _client(said: Provider, until: float) -> OAuth2Client:
    ours = settings.current()
    methods = said.client_authentication
    method = "none"
    if ours.oidc_client_secret:
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
    client = OAuth2Client(
        session=_Session(until),
        client_id=ours.oidc_client_id,
        client_secret=ours.oidc_client_secret,
        token_endpoint_auth_method=method,
        redirect_uri=ours.base_url + CALLBACK,
        scope=_scope(said),
        code_challenge_method="S256",
    )
    client.register_client_auth_method(("client_secret_basic", _basic))
    return client


def _scope(said: Provider) -> str:
    """The claims that we read; that of groups where the upstream has a scope of its name."""
    groups = settings.current().oidc_groups_claim
    return " ".join(("openid", "profile", "email", *({groups} & said.scopes if groups else ())))


def begin() -> Begun:
    """A new sign-in."""
    return Begun(credentials.opaque(), credentials.opaque(), credentials.opaque())


def address(begun: Begun, *, anew: bool) -> str:
    """Where to send the browser; `anew`: whoever it is shows it there once more. Raises `Away`."""
    with provider.conversation() as until:
        said = provider.known(until)
        more = {"max_age": "0", "prompt": "login"} if anew else {}
        client = _client(said, until)
        found, _ = client.create_authorization_url(
            said.authorization, state=begun.state, code_verifier=begun.verifier, nonce=begun.nonce, **more
        )
        return str(found)


def redeem(begun: Begun, code: str, sender: str | None, *, since: datetime | None) -> Person:
    """Whom a code names: signed in after `since`, if that is given. Raises `Refused`, `Away`.

    `sender` is who sent the browser back with it, as far as they say so.
    """
    with provider.conversation() as until:
        said = provider.known(until)
        # RFC 9207: a code of another upstream must not be taken to this one's token endpoint.
        if sender != said.issuer and (sender is not None or said.names_itself):
            raise Refused("another upstream sent the browser back")
        answer = _exchanged(begun, code, said, until)
        access_token = answer.get("access_token")
        if not isinstance(access_token, str) or not access_token.isascii() or not access_token.isprintable():
            raise Refused("the token endpoint sends no access token")
        claims = tokens.identity(
            answer.get("id_token"), said, until, nonce=begun.nonce, access_token=access_token, since=since
        )
        return _person(said, _completed(dict(claims), said, access_token, until))


def _exchanged(begun: Begun, code: str, said: Provider, until: float) -> dict[str, Any]:
    try:
        answer = _client(said, until).fetch_token(said.token, code=code, code_verifier=begun.verifier)
    except AuthlibBaseError as error:
        raise Refused(f"the token endpoint refuses the code: {str(error.error)[:100]}") from None
    except (ValueError, TypeError) as error:
        raise Refused(f"the token endpoint: {type(error).__name__}") from None
    return dict(answer)


def _completed(claims: dict[str, Any], said: Provider, access_token: str, until: float) -> dict[str, Any]:
    """The claims with what stands at the userinfo endpoint alone."""
    groups = settings.current().oidc_groups_claim
    wanted = (*FROM_USERINFO, *([groups] if groups else ()))
    if said.userinfo is None or all(name in claims for name in ("email", *([groups] if groups else ()))):
        return claims
    bearer = {"Authorization": f"Bearer {access_token}"}
    reply = operators.get(said.userinfo, most=provider.LONGEST, until=until, headers=bearer)
    more = provider.parsed(reply, "the userinfo endpoint")
    # OpenID Connect Core §5.3.2: whoever it is about must be the same.
    if more.get("sub") != claims["sub"]:
        raise Refused("userinfo is about somebody else")
    # An address, and whether it is verified, come from one place.
    (more if "email" in claims else claims).pop("email_verified", None)
    return {name: more[name] for name in wanted if name in more} | claims


def _person(said: Provider, claims: dict[str, Any]) -> Person:
    name = claims.get("name") or claims.get("preferred_username")
    factors = claims.get("amr")
    return Person(
        said.issuer,
        claims["sub"],
        _address(claims.get("email")),
        claims.get("email_verified") is True,
        name[:LONGEST_NAME] if isinstance(name, str) else "",
        _administers(claims),
        isinstance(factors, list) and SECOND_FACTOR in factors,
        tokens.session_id(claims),
        tokens.issued_at(claims),
        tokens.authenticated_at(claims),
    )


def _address(text: object) -> str | None:
    try:
        return emails.address(text)
    except emails.InvalidEmail:
        return None


def _administers(claims: Mapping[str, Any]) -> bool:
    """Whether one of the groups of administrators is among a person's."""
    ours = settings.current()
    found = claims.get(ours.oidc_groups_claim or "")
    named = [found] if isinstance(found, str) else found
    return isinstance(named, list) and any(group in ours.oidc_admin_groups for group in named[:MOST_GROUPS])
