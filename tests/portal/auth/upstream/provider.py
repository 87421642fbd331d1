"""An OpenID provider of the tests' own, which says whatever a test wants it to say."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from latchkey import clock

CLIENT_ID, CLIENT_SECRET = "portal", "a secret: with % and +"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


_making = threading.Lock()


def key(kid: str) -> RSAKey:
    """A key by its name, made once a run: `cache` alone lets several who come first make one each."""
    with _making:
        return _key(kid)


@cache
def _key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "alg": "RS256", "use": "sig"})


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, ""])


class Provider:
    """One provider. What it says of itself, of a person, and how it answers, is there to be changed."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.reset()

    def reset(self) -> None:
        """As it should be."""
        self.kid = "first"
        self.listed = ["first"]
        self.codes: dict[str, dict[str, Any]] = {}
        self.seen: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
            "scopes_supported": ["openid", "email", "profile", "groups"],
        }
        self.userinfo: dict[str, Any] | None = None
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        # By path, what is answered instead: status, type, body; or something that takes the connection.
        self.instead: dict[str, Callable[[BaseHTTPRequestHandler], tuple[int, str, bytes] | None]] = {}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, path: str) -> int:
        """How often something was asked for."""
        return sum(seen == path for seen, _, _ in self.seen)

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.kid, **header}, claims, key(self.kid))

    def claims(self, subject: str = "1", **more: Any) -> dict[str, Any]:
        """What an ID token says of somebody now."""
        now = int(clock.now().timestamp())
        return {"iss": self.issuer, "sub": subject, "aud": CLIENT_ID, "iat": now, "exp": now + 300} | more

    def approve(self, address: str, **claims: Any) -> str:
        """Somebody signs in there; where their browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked | {"claims": self.claims(**({"nonce": asked["nonce"]} | claims))}
        back = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{urlsplit(asked['redirect_uri']).path}?{urlencode(back)}"

    def logout_token(self, **claims: Any) -> str:
        now = int(clock.now().timestamp())
        told = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": secrets.token_hex(8)}
        claims = told | {"events": {LOGOUT: {}}} | claims
        return self.signed({name: value for name, value in claims.items() if value is not None}, typ="logout+jwt")

    def _redeem(self, form: dict[str, str], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        given = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
        asked = self.codes.get(form.get("code", ""))
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        expected = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
        if given != "portal:a+secret%3A+with+%25+and+%2B" or asked is None or asked["code_challenge"] != expected:
            return 400, {"error": "invalid_grant", "error_description": "<b>secret detail</b>"}
        self.last = asked["claims"].get("sub")
        id_token = self.sign(asked["claims"])
        return 200, {"access_token": "upstream-access", "token_type": "Bearer", "id_token": id_token}

    def _answer(self, path: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, self.metadata
        if path == "/keys":
            return 200, {"keys": [key(kid).as_dict(private=False) for kid in self.listed]}
        if path == "/token":
            return self._redeem(form, headers)
        if path == "/userinfo" and headers.get("Authorization") == "Bearer upstream-access":
            return 200, self.userinfo or {"sub": self.last}
        return 404, {}

    def _handler(provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler has its own self
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
                provider.seen.append((path, form, dict(self.headers)))
                if path in provider.instead:
                    answer = provider.instead[path](self)
                    if answer is not None:
                        self._send(*answer)
                    return
                status, said = provider._answer(path, form, dict(self.headers))
                self._send(status, "application/json", json.dumps(said).encode())

            do_POST = do_GET  # noqa: N815 - the library's name

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
