"""Who is signed in, by Flask-Login over our own session rows, and what a changing request from a browser must prove."""

from datetime import timedelta
from functools import lru_cache

from flask import Flask, Request, Response, abort, current_app, g, redirect, request, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFProtect, generate_csrf
from itsdangerous import URLSafeTimedSerializer
from werkzeug.wrappers import Response as BaseResponse

from latchkey import addresses, settings, vault
from latchkey.accounts import sessions, waybacks
from latchkey.store.session import db
from web import log_line
from web.layer import faults

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def _origin(address: str) -> str:
    parts = addresses.parts(address)
    return f"{parts.scheme}://{parts.netloc}".lower()


def sent_from_here() -> bool:
    """Whether the browser says that one of our own pages sent this request, or says nothing over plain http.

    The browser's own word comes first, then Origin, then Referer. Over https one of them is there, since our pages ask
    for `Referrer-Policy: same-origin`. They are compared with the configured address, which a proxy cannot hide.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    ours = settings.current()
    here = {ours.base_url, f"{request.scheme}://{request.host}".lower()}
    said = request.headers.get("Origin") or request.headers.get("Referer")
    if said is None:
        return not ours.secure
    return _origin(said) in here


class Protection(CSRFProtect):
    """CSRF tokens, and before them the question where the request was sent from (N-01, N-02)."""

    def protect(self, apply_exemptions: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's signature
        """Refuse a change that no page of ours asked for: 403 by where it came from, 400 by its token."""
        if request.method in SAFE or not current_app.config["WTF_CSRF_ENABLED"]:
            return
        if not sent_from_here():
            abort(403)
        super().protect(apply_exemptions)

    def _get_csrf_token(self) -> str:
        return vault.unmasked(super()._get_csrf_token() or "")


def form_token() -> str:
    """What every form carries, masked once for each answer: it is as good as any other of its session."""
    token = generate_csrf()
    shown = g.get("form_token")
    if shown is None or shown[0] != token:
        g.form_token = shown = (token, vault.masked(token))
    return str(shown[1])


csrf = Protection()


def load(plaintext: str) -> sessions.BrowserSession | None:
    """The live session that a cookie names."""
    found = sessions.find(plaintext)
    if found is not None:
        log_line.current().user_id = found.user_id
        if sessions.seen(found):
            db.commit()
    return found


def _local(address: str | None) -> str | None:
    """Path and query of a page of ours; None for any other."""
    if not address:
        return None
    parts = addresses.parts(address)
    if f"{parts.scheme}://{parts.netloc}".lower() not in (settings.current().base_url, request.host_url.rstrip("/")):
        return None
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def to_sign_in() -> BaseResponse:
    """Send a person to sign in, and from there back to the page that they were on."""
    partial = "HX-Request" in request.headers
    if partial:
        back = _local(request.headers.get("HX-Current-URL"))
    elif request.method in SAFE:
        back = request.full_path if request.query_string else request.path
    else:
        back = _local(request.referrer)
    address = url_for("portal.sign_in", next=None if back in (None, "/") else waybacks.carried(back))
    if partial:
        # A script would follow a redirect itself and put the sign-in page into the middle of this one.
        return Response(status=401, headers={"HX-Redirect": address})
    return redirect(address, 303)


class Cookies(SecureCookieSessionInterface):
    """Flask's signed cookie; opened only if there is one, and what was made from it is kept nowhere (N-07)."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer:
        """As Flask makes it, but patient with clocks that run ahead."""
        return self._serializer(*vault.keys())

    @lru_cache(maxsize=2)  # noqa: B019 - one of these lives as long as the application
    def _serializer(self, *keys: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            keys,
            salt=self.salt,
            serializer=self.serializer,
            signer=vault.Signer,
            signer_kwargs={"key_derivation": self.key_derivation, "digest_method": self.digest_method},
        )

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Programs send no cookie and pay for none; endpoints for programs look at none (N-01)."""
        if "HTTP_COOKIE" not in request.environ or request.path.startswith(faults.MACHINES):
            return SecureCookieSession()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """The cookie, and that neither a cache nor an index may keep an answer that rests on it."""
        if not session.accessed:
            return
        super().save_session(app, session, response)
        response.headers.setdefault("Cache-Control", "no-store")
        if "_user_id" in session:
            response.headers.setdefault("X-Robots-Tag", "noindex")


def register(app: Flask) -> None:
    """Configure cookies and CSRF, and teach Flask-Login our sessions."""
    ours = settings.current()
    app.config.update(
        SECRET_KEY=ours.secret_key,
        WTF_CSRF_SECRET_KEY=vault.keys(),
        SESSION_COOKIE_NAME=ours.cookie(),
        SESSION_COOKIE_SECURE=ours.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(days=7),
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session, whose secret it is made from
        WTF_CSRF_SSL_STRICT=False,  # judges by the Host header; `sent_from_here` does it by the configured address
    )
    app.session_interface = Cookies()
    manager = LoginManager()
    manager.session_protection = None  # it reads X-Forwarded-For unasked
    manager.user_loader(load)
    manager.unauthorized_handler(to_sign_in)
    # Not by init_app: its hook for "remember me" cookies, which we do not have, reads the session at every answer.
    app.login_manager = manager  # type: ignore[attr-defined] # where Flask-Login looks
    app.context_processor(lambda: {"current_user": current_user})
    csrf.init_app(app)
    app.jinja_env.globals["csrf_token"] = form_token
