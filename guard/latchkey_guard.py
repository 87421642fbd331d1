"""Guards a service by Latchkey: asks /oauth/check who calls, remembers the answer, and forgets it when it ends.

One file that needs nothing but Python 3.11: put it into your service. An answer is remembered for at most 60 seconds,
by the digest of the token, what was asked, and the caller's address if the token is bound to some. A thread follows
/oauth/endings, by which an ended token is refused within a second. What is known of ends may be 2 seconds old;
when it is older, every call is asked about. How to use it: README.md beside this file.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import http
import http.client
import json
import logging
import os
import secrets
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

__all__ = ["Answer", "Guard"]

log = logging.getLogger("latchkey.guard")

REMEMBER_SECONDS = 60.0
# What is known of ends must be no older, or every call is asked about.
FRESH_SECONDS = 2.0
# A question takes no longer, nor is its answer older when it is used.
TIMEOUT_SECONDS = 2.0
# Whoever asks the same within this time after a question was sent waits for its answer.
JOIN_SECONDS = 0.25
# A refusal is remembered so long, for whoever tries again and again.
REFUSED_SECONDS = 2.0
MOST_REFUSED = 10_000
# How long the list of what ended is waited for at a time, and the least between two looks.
WAIT_SECONDS, PAUSE_SECONDS = 1, 0.25
LONGEST_ANSWER = 1024 * 1024
LONGEST_HEADER, LONGEST_ADDRESS = 4096, 64
# By these some frameworks take a call for another than it came as; scopes are chosen by what it came as.
OVERRIDES = frozenset(
    {b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-original-url", b"x-rewrite-url"}
)
OVERRIDES_IN_ENVIRON = frozenset("HTTP_" + name.decode().upper().replace("-", "_") for name in OVERRIDES)
IDENTITY = ("X-Auth-User-Id", "X-Auth-Email", "X-Auth-Client-Id", "X-Auth-Scope", "X-Auth-Token-Id")

# Counts on while the machine sleeps, where the system has such a clock.
if hasattr(time, "CLOCK_BOOTTIME"):
    _now: Callable[[], float] = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
else:
    _now = time.monotonic

# What a path takes: the scopes, or None for a path that is open to everybody.
Scopes: TypeAlias = str | Callable[[str, str], str | None]


class Unreachable(Exception):
    """Latchkey did not say yes or no."""


class Answer(NamedTuple):
    """What a call is answered: 200 with who calls, or a refusal with its challenge."""

    status: int
    identity: dict[str, str]
    challenge: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the call may pass."""
        return self.status == 200

    @property
    def user_id(self) -> str:
        """Whose token it is; empty for an app that acts as itself."""
        return self.identity.get("X-Auth-User-Id", "")

    @property
    def client_id(self) -> str:
        """The app; empty for a developer token."""
        return self.identity.get("X-Auth-Client-Id", "")

    @property
    def scopes(self) -> frozenset[str]:
        """What the token may do here."""
        return frozenset(self.identity.get("X-Auth-Scope", "").split())

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Those of a refusal."""
        more = [("WWW-Authenticate", self.challenge)] if self.challenge else []
        more += [("Retry-After", "1")] if self.status == 503 else []
        return [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"), *more]

    @property
    def text(self) -> str:
        """The body of a refusal."""
        return {401: "Unauthorized", 403: "Forbidden"}.get(self.status, "Service Unavailable")


UNAVAILABLE = Answer(503, {})


class _Told(NamedTuple):
    """An answer as Latchkey gave it: until when it may be remembered, for which address alone, with what it ends."""

    answer: Answer
    asked_at: float
    until: float
    bound: bool
    ids: tuple[str, ...]


class _Kept:
    """A remembered answer. Without one it says that those of its token are kept by address."""

    __slots__ = ("answer", "ids", "until", "used")

    def __init__(self, answer: Answer | None, until: float, ids: tuple[str, ...]) -> None:
        self.answer, self.until, self.ids, self.used = answer, until, ids, False


class _Memory:
    """Remembered answers, bounded: what was not used since it was last looked at goes first."""

    def __init__(self, most: int) -> None:
        self.kept: dict[Any, _Kept] = {}
        self._most = most
        self._by_id: dict[str, set[Any]] = {}

    def keep(self, key: Any, entry: _Kept) -> None:
        self.drop(key)
        while len(self.kept) >= self._most:
            oldest = next(iter(self.kept))
            held = self.kept[oldest]
            if held.used:
                held.used = False
                self.kept[oldest] = self.kept.pop(oldest)
            else:
                self.drop(oldest)
        self.kept[key] = entry
        for name in entry.ids:
            self._by_id.setdefault(name, set()).add(key)

    def drop(self, key: Any) -> None:
        entry = self.kept.pop(key, None)
        for name in entry.ids if entry is not None else ():
            keys = self._by_id.get(name, set())
            keys.discard(key)
            if not keys:
                self._by_id.pop(name, None)

    def forget(self, name: str) -> None:
        for key in list(self._by_id.get(name, ())):
            self.drop(key)

    def clear(self) -> None:
        self.kept.clear()
        self._by_id.clear()


class _Latchkey:
    """The connections to Latchkey, which are used again and again."""

    def __init__(self, url: str, *, insecure: bool) -> None:
        parts = urlsplit(url)
        self._tls, self._host = parts.scheme == "https", parts.hostname or ""
        if parts.scheme not in ("http", "https") or not self._host:
            raise ValueError("latchkey is an address such as https://latchkey.example.com")
        if not self._tls and not insecure and self._host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("tokens go over https alone; insecure=True if the network between is yours")
        self._port, self._path = parts.port, parts.path.rstrip("/")
        self._context = ssl.create_default_context() if self._tls else None
        self._idle: list[http.client.HTTPConnection] = []
        self.closed = False

    def get(self, path: str, headers: dict[str, str], seconds: float) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Ask. Raises `Unreachable`."""
        began = _now()
        for connection in (*self._used(), None):
            try:
                found = self._get(connection or self._connect(seconds), path, headers, seconds)
            except (OSError, http.client.HTTPException) as error:
                # One that was kept may have been closed at the other end meanwhile.
                if connection is None or isinstance(error, TimeoutError):
                    raise Unreachable(type(error).__name__) from None
                continue
            if _now() - began > seconds:
                raise Unreachable("too slow")
            return found
        raise Unreachable

    def _used(self) -> Iterable[http.client.HTTPConnection]:
        try:
            return [self._idle.pop()]
        except IndexError:
            return []

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        return http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=self._context)

    def _get(
        self, connection: http.client.HTTPConnection, path: str, headers: dict[str, str], seconds: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        try:
            if connection.sock is not None:
                connection.sock.settimeout(seconds)
            connection.request("GET", self._path + path, headers=headers)
            answer = connection.getresponse()
            body = answer.read(LONGEST_ANSWER + 1)
        except BaseException:
            connection.close()
            raise
        if len(body) > LONGEST_ANSWER:
            connection.close()
            raise Unreachable("an answer that has no end")
        if answer.will_close or self.closed or not answer.isclosed() or answer.status < http.HTTPStatus.OK:
            # What is left to be read, or comes after an interim answer, would be taken for that of the next question.
            connection.close()
        else:
            self._idle.append(connection)
        return answer.status, answer.headers, body

    def leave(self) -> None:
        """Use none of them any more; they are another process's."""
        self._idle = []

    def close(self) -> None:
        """Close those that nobody uses, and the others after their use."""
        self.closed = True
        while self._idle:
            self._idle.pop().close()


class Guard:
    """Decides about calls of one service; make one a process and share it between threads.

    `client_id` and `client_secret` are those of an app that an administrator marked as a resource server. `resource` is
    the API's name or identifier in Latchkey. When Latchkey cannot be reached, remembered answers go on until they are
    60 seconds old, or with `fail_closed` every call is answered 503.
    """

    def __init__(
        self,
        latchkey: str,
        *,
        client_id: str,
        client_secret: str,
        resource: str = "",
        most: int = 50_000,
        fail_closed: bool = False,
        trusted_proxies: int = 0,
        insecure: bool = False,
    ) -> None:
        self._latchkey = _Latchkey(latchkey, insecure=insecure)
        pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
        self._credentials = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._resource, self._most, self._proxies = resource, max(1, most), trusted_proxies
        self._fail_closed = fail_closed
        self._asking = functools.lru_cache(maxsize=1024)(self._put)
        self.begin()
        myself = weakref.ref(self)
        os.register_at_fork(after_in_child=functools.partial(_begin_anew, myself))

    def begin(self) -> None:
        """Nothing is remembered, and nobody follows yet; also in a process that was forked from another."""
        self._lock = threading.Lock()
        self._memory = _Memory(self._most)
        self._kept = self._memory.kept
        self._refused: dict[Any, tuple[Answer, float]] = {}
        self._flights: dict[Any, tuple[float, Future[Answer]]] = {}
        # What ended lately, and when that was heard: an answer that was on its way meanwhile is too old.
        self._ended: dict[str, float] = {}
        self._cleared_at = self._known_at = float("-inf")
        self._seq = 0
        self._latchkey.leave()
        self._pool: ThreadPoolExecutor | None = None
        self._name = f"{socket.gethostname()[:20]}-{secrets.token_hex(4)}"
        self._name = "".join(
            sign if sign.isascii() and (sign.isalnum() or sign in "-.") else "-" for sign in self._name
        )
        self._follower: threading.Thread | None = None
        self._closed = threading.Event()
        self.asked = self.remembered = 0

    # Deciding

    def check(self, authorization: str | None, scope: str = "", *, resource: str = "", address: str = "") -> Answer:
        """Whether a call with this Authorization header may pass; it needs these scopes, separated by spaces."""
        question = self._asking(scope, resource)
        return self.recall(authorization, question, address) or self._ask(authorization, question, address)

    def recall(self, authorization: str | None, question: str, address: str) -> Answer | None:
        """A remembered answer that holds now."""
        if not authorization or len(authorization) > LONGEST_HEADER:
            return None
        key = (hashlib.sha256(authorization.encode("utf-8", "surrogateescape")).digest(), question)
        entry = self._kept.get(key)
        if entry is None:
            return None
        if entry.answer is None:
            entry = self._kept.get((*key, address))
            if entry is None:
                return None
        now = _now()
        if now >= entry.until or now - self._known_at > FRESH_SECONDS:
            return None
        entry.used = True
        self.remembered += 1
        return entry.answer

    def _put(self, scope: str, resource: str) -> str:
        named = resource or self._resource
        asked = {"scope": scope} if scope else {}
        return urlencode(asked | ({"resource": named} if named else {}), quote_via=quote)

    def _ask(self, authorization: str | None, question: str, address: str) -> Answer:
        """Ask Latchkey; those who ask the same at once wait for one answer."""
        self._follow_if_nobody_does()
        if not _sendable(authorization or "", LONGEST_HEADER):
            # No token of anybody's: the challenge is that of a call without one.
            authorization = None
        if not _sendable(address, LONGEST_ADDRESS):
            address = ""
        key, now = (_digest(authorization), question, address), _now()
        with self._lock:
            refusal = self._refused.get(key)
            if refusal is not None and now < refusal[1]:
                return refusal[0]
            begun = self._flights.get(key)
            if begun is not None and now - begun[0] > JOIN_SECONDS:
                begun = None
            if begun is None:
                mine: Future[Answer] = Future()
                self._flights[key] = now, mine
        if begun is not None:
            try:
                return begun[1].result(TIMEOUT_SECONDS)
            except TimeoutError:
                return self._left(key)
        answer = UNAVAILABLE
        try:
            answer = self._told(authorization, question, address, key)
        finally:
            with self._lock:
                if self._flights.get(key) == (now, mine):
                    del self._flights[key]
            mine.set_result(answer)
        return answer

    def _told(self, authorization: str | None, question: str, address: str, key: tuple[bytes, str, str]) -> Answer:
        for _ in range(3):
            try:
                told = self._question(authorization, question, address)
            except Unreachable as error:
                log.warning("Latchkey cannot be asked: %s", error)
                return self._left(key)
            if self._remember(key, told):
                return told.answer
        # It ends faster than it can be asked about.
        return UNAVAILABLE

    def _question(self, authorization: str | None, question: str, address: str) -> _Told:
        headers = {"Authorization": authorization} if authorization else {}
        # Whoever remembers is answered by what is newest.
        headers["X-Latchkey-Guard"] = "1"
        if address:
            headers["X-Forwarded-For"] = address
        asked_at = _now()
        self.asked += 1
        status, found, _ = self._latchkey.get(f"/oauth/check?{question}", headers, TIMEOUT_SECONDS)
        challenge = found.get("WWW-Authenticate", "")
        if status not in (200, 401, 403) or "temporarily_unavailable" in challenge:
            raise Unreachable(f"status {status}")
        if status == 200 and not found.get("X-Auth-Token-Id"):
            # Something else stands at that address, which answers yes to everything.
            raise Unreachable("a yes that names no token")
        if status != 200:
            return _Told(Answer(status, {}, challenge), asked_at, asked_at + REFUSED_SECONDS, bound=True, ids=())
        seconds, _, more = found.get("X-Auth-Remember", "0").partition(";")
        left = min(REMEMBER_SECONDS, float(seconds)) if seconds.isdecimal() else 0.0
        identity = {name: found.get(name, "") for name in IDENTITY}
        ids = tuple(found.get("X-Auth-Ends-With", "").split())
        # One that names nothing that could end it is not remembered.
        return _Told(Answer(200, identity), asked_at, asked_at + (left if ids else 0.0), bound=bool(more), ids=ids)

    def _remember(self, key: tuple[bytes, str, str], told: _Told) -> bool:
        """Keep an answer; False if something ended since it was asked for, so that it may be wrong by now."""
        with self._lock:
            if told.answer.allowed and (
                told.asked_at <= self._cleared_at
                or any(self._ended.get(name, float("-inf")) >= told.asked_at for name in told.ids)
            ):
                return False
            if not told.answer.allowed:
                known = self._kept.get(key[:2])
                self._memory.drop(key if known is None or known.answer is None else key[:2])
                while len(self._refused) >= MOST_REFUSED:
                    del self._refused[next(iter(self._refused))]
                self._refused[key] = told.answer, told.until
            elif told.until > told.asked_at:
                self._refused.pop(key, None)
                self._memory.keep(key if told.bound else key[:2], _Kept(told.answer, told.until, told.ids))
                if told.bound:
                    self._memory.keep(key[:2], _Kept(None, told.until, told.ids))
        return True

    def _left(self, key: tuple[bytes, str, str]) -> Answer:
        """What is still remembered while Latchkey is away."""
        entry = self._kept.get(key[:2])
        if entry is not None and entry.answer is None:
            entry = self._kept.get(key)
        if self._fail_closed or entry is None or entry.answer is None or _now() >= entry.until:
            return UNAVAILABLE
        return entry.answer

    # Following what ends

    def _follow_if_nobody_does(self) -> None:
        if self._follower is None or not self._follower.is_alive():
            with self._lock:
                if (self._follower is None or not self._follower.is_alive()) and not self._closed.is_set():
                    self._follower = threading.Thread(
                        target=_follow, args=(weakref.ref(self), self._closed), name="latchkey-guard", daemon=True
                    )
                    self._follower.start()

    def follow(self) -> float:
        """Ask once what ended, and forget that; after how many seconds to ask again. Raises `Unreachable`."""
        sent = _now()
        query = urlencode({"after": self._seq, "wait": WAIT_SECONDS, "guard": self._name})
        headers = {"Authorization": self._credentials}
        seconds = WAIT_SECONDS + TIMEOUT_SECONDS
        status, _, body = self._latchkey.get(f"/oauth/endings?{query}", headers, seconds)
        if status != 200:
            raise Unreachable(f"status {status}; is the app marked as a resource server?")
        try:
            part = json.loads(body)
            told = [(str(each["kind"]), str(each["id"])) for each in part["endings"]]
            seq, reset, as_of, more = int(part["next"]), bool(part["reset"]), float(part["as_of"]), bool(part["more"])
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            raise Unreachable("an answer that is none") from None
        self._apply(told, seq, reset=reset or any(kind == "resource" for kind, _ in told))
        now = _now()
        if not more:
            # So it was at that moment; the way back took the rest.
            self._known_at = min(now, sent + as_of)
        return 0.0 if more or told else max(0.0, PAUSE_SECONDS - (now - sent))

    def _apply(self, told: list[tuple[str, str]], seq: int, *, reset: bool) -> None:
        with self._lock:
            now = _now()
            for name in [name for name, at in self._ended.items() if at < now - 2 * TIMEOUT_SECONDS]:
                del self._ended[name]
            if reset:
                self._memory.clear()
                self._cleared_at = now
            for _, name in told:
                self._memory.forget(name)
                self._ended[name] = now
            self._seq = seq

    def close(self) -> None:
        """Follow no more; every call is asked about from now on."""
        self._closed.set()
        self._known_at = float("-inf")
        self._latchkey.close()

    # Middleware, decorator and dependency

    def _caller(self, peer: str, forwarded: str) -> str:
        """The caller's address: the right-most that none of our own proxies is."""
        hops = [part.strip() for part in forwarded.split(",") if part.strip()] if self._proxies else []
        return hops[-self._proxies] if hops and len(hops) >= self._proxies else peer

    def wsgi(self, application: Callable[..., Iterable[bytes]], scope: Scopes) -> Callable[..., Iterable[bytes]]:
        """A WSGI application behind this guard; who calls stands in its environ as headers `X-Auth-`."""

        def guarded(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            for name in [name for name in environ if name.startswith("HTTP_X_AUTH") or name in OVERRIDES_IN_ENVIRON]:
                del environ[name]
            needed = _needed(scope, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
            preflight = environ["REQUEST_METHOD"] == "OPTIONS" and (
                "HTTP_ORIGIN" in environ and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
            )
            if needed is None or preflight:
                return application(environ, start)
            address = self._caller(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""))
            answer = self.check(environ.get("HTTP_AUTHORIZATION"), needed, address=address)
            if not answer.allowed:
                start(f"{answer.status} {answer.text}", answer.headers)
                return [answer.text.encode()]
            for name, value in answer.identity.items():
                environ["HTTP_" + name.upper().replace("-", "_")] = value
            environ["latchkey.answer"] = answer
            return application(environ, start)

        return guarded

    async def acheck(self, authorization: str | None, scope: str = "", *, address: str = "") -> Answer:
        """The same as `check`, without holding up an event loop."""
        question = self._asking(scope, "")
        answer = self.recall(authorization, question, address)
        if answer is not None:
            return answer
        if self._pool is None:
            self._pool = ThreadPoolExecutor(16, thread_name_prefix="latchkey-guard")
        loop = asyncio.get_running_loop()
        asking = loop.run_in_executor(self._pool, self._ask, authorization, question, address)
        try:
            # While nothing of Latchkey answers, all threads wait for it: whoever comes then waits no longer than they.
            return await asyncio.wait_for(asking, 2 * TIMEOUT_SECONDS)
        except TimeoutError:
            return self._left((_digest(authorization), question, address))

    def asgi(self, application: Callable[..., Awaitable[None]], scope: Scopes) -> Callable[..., Awaitable[None]]:
        """An ASGI application behind this guard; who calls stands in its scope, as headers and in `state`."""

        async def guarded(asked: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            if asked["type"] not in ("http", "websocket"):
                await application(asked, receive, send)
                return
            named = [(name, value) for name, value in asked["headers"] if not _is_said_by_us(name)]
            headers = _joined(named)
            method = asked.get("method", "GET")
            needed = _needed(scope, method, asked["path"])
            preflight = method == "OPTIONS" and {"origin", "access-control-request-method"} <= headers.keys()
            if needed is None or preflight:
                await application({**asked, "headers": named}, receive, send)
                return
            address = self._caller((asked.get("client") or ("",))[0], headers.get("x-forwarded-for", ""))
            answer = await self.acheck(headers.get("authorization"), needed, address=address)
            if not answer.allowed:
                await _refuse(asked["type"], answer, send)
                return
            named += _as_bytes(answer.identity.items())
            state = {**asked.get("state", {}), "latchkey": answer}
            await application({**asked, "headers": named, "state": state}, receive, send)

        return guarded

    def flask(self, scope: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A decorator for views of Flask; who calls is `flask.g.latchkey`."""
        import flask  # noqa: PLC0415 - only for who uses it

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(view)
            def guarded(*args: Any, **named: Any) -> Any:
                request = flask.request
                address = self._caller(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""))
                answer = self.check(request.headers.get("Authorization"), scope, address=address)
                if not answer.allowed:
                    return answer.text, answer.status, answer.headers
                flask.g.latchkey = answer
                return view(*args, **named)

            return guarded

        return decorate

    def fastapi(self, scope: str) -> Callable[..., Awaitable[Answer]]:
        """A dependency for FastAPI: `who: Annotated[Answer, Depends(guard.fastapi("projects:read"))]`."""
        from fastapi import HTTPException, Request  # type: ignore[import-not-found]  # noqa: PLC0415 - as above

        async def depend(request: Any) -> Answer:
            peer = request.client.host if request.client else ""
            headers = _joined(request.scope["headers"])
            address = self._caller(peer, headers.get("x-forwarded-for", ""))
            answer = await self.acheck(headers.get("authorization"), scope, address=address)
            if not answer.allowed:
                raise HTTPException(answer.status, answer.text, dict(answer.headers[1:]))
            return answer

        depend.__annotations__["request"] = Request
        return depend


def _begin_anew(guard_of: weakref.ref[Guard]) -> None:
    guard = guard_of()
    if guard is not None:
        guard.begin()


def _follow(guard_of: weakref.ref[Guard], closed: threading.Event) -> None:
    """Ask what ended, again and again, as long as the guard is there."""
    pause, faults = 0.0, 0
    while not closed.wait(pause):
        guard = guard_of()
        if guard is None:
            return
        try:
            pause, faults = guard.follow(), 0
        except Unreachable as error:
            faults += 1
            if faults in (1, 10):
                log.warning("what ends cannot be followed, and every call is asked about: %s", error)
            pause = min(1.0, 0.1 * faults)
        del guard


def _digest(authorization: str | None) -> bytes:
    return hashlib.sha256((authorization or "").encode("utf-8", "surrogateescape")).digest()


def _sendable(text: str, longest: int) -> bool:
    return len(text) <= longest and text.isascii() and text.isprintable()


def _needed(scope: Scopes, method: str, path: str) -> str | None:
    # As frameworks read it: to a rule for DELETE a `delete` would be another method.
    return scope if isinstance(scope, str) else scope(method.upper(), path)


def _is_said_by_us(name: bytes) -> bool:
    """Whether a caller tries to say who calls, or what, also as servers would read it."""
    read = name.lower().replace(b"_", b"-")
    return read.startswith(b"x-auth") or read in OVERRIDES


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name, as WSGI has them: of one that comes twice nobody may choose which counts."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.lower().decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found


def _as_bytes(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers]


async def _refuse(kind: str, answer: Answer, send: Any) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    start = {"type": "http.response.start", "status": answer.status, "headers": _as_bytes(answer.headers)}
    await send(start)
    await send({"type": "http.response.body", "body": answer.text.encode()})
