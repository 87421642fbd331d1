"""What the guard remembers, for how long, and what it does when anything of Latchkey is slow, wrong or away."""

import asyncio
import contextlib
import importlib.util
import socket
import sys
import threading
import types
from collections import Counter
from http.client import HTTPMessage

import pytest

from latchkey.settings import ROOT

spec = importlib.util.spec_from_file_location("latchkey_guard", ROOT / "guard" / "latchkey_guard.py")
latchkey_guard = importlib.util.module_from_spec(spec)
sys.modules["latchkey_guard"] = latchkey_guard
spec.loader.exec_module(latchkey_guard)
Unreachable = latchkey_guard.Unreachable

TOKEN = "Bearer lk_dev_x"


class Latchkey:
    """What stands at the other end, with time that is moved by hand."""

    def __init__(self):
        self.now, self.seq, self.told, self.asked = 1000.0, 10, [], Counter()
        self.live, self.bound, self.left, self.away, self.feed_away, self.as_of = True, False, 60, False, False, 0.0
        self.token_id = "tok_a"
        self.reset, self.ids, self.meanwhile, self.headers = False, "tok_a ath_b usr_c", lambda: None, []

    def get(self, path, headers, seconds):
        if path.startswith("/oauth/endings"):
            return self.endings()
        self.asked[path] += 1
        self.headers.append(headers)
        if self.away:
            raise Unreachable("away")
        live = self.live
        self.meanwhile()
        found = HTTPMessage()
        if not live or "Authorization" not in headers:
            found["WWW-Authenticate"] = 'Bearer realm="api", error="invalid_token"'
            return 401, found, b""
        found["X-Auth-User-Id"] = "usr_c"
        found["X-Auth-Token-Id"] = self.token_id
        found["X-Auth-Scope"] = "projects:read"
        found["X-Auth-Ends-With"] = self.ids
        found["X-Auth-Remember"] = f"{self.left}; address" if self.bound else str(self.left)
        return 200, found, b""

    def endings(self):
        if self.feed_away:
            raise Unreachable("away")
        told = [{"seq": self.seq, "kind": kind, "id": name} for kind, name in self.told]
        self.told = []
        body = {"next": self.seq, "reset": self.reset, "endings": told, "more": False, "as_of": self.as_of}
        self.reset = False
        return 200, HTTPMessage(), latchkey_guard.json.dumps(body).encode()

    def leave(self):
        pass

    def questions(self):
        return self.asked.total()


@pytest.fixture
def latchkey(monkeypatch):
    stub = Latchkey()
    monkeypatch.setattr(latchkey_guard, "_now", lambda: stub.now)
    monkeypatch.setattr(latchkey_guard.Guard, "_follow_if_nobody_does", lambda self: None)
    return stub


def made(latchkey, **options):
    guard = latchkey_guard.Guard("http://127.0.0.1:9", client_id="app_x", client_secret="s", resource="p", **options)
    guard._latchkey = latchkey
    guard.follow()
    latchkey.now += 0.1
    return guard


@pytest.fixture
def guard(latchkey):
    return made(latchkey)


def passes(guard, token=TOKEN, scope="projects:read", **more):
    return guard.check(token, scope, **more).allowed


def test_an_answer_is_remembered_by_token_scope_and_resource(guard, latchkey):
    assert all(passes(guard) for _ in range(5))
    assert latchkey.questions() == 1

    assert passes(guard, scope="projects:write")
    assert passes(guard, resource="other")
    assert passes(guard, "Bearer lk_dev_y")
    assert latchkey.questions() == 4
    assert passes(guard, address="203.0.113.9")
    assert latchkey.questions() == 4, "an address matters only to tokens that are bound to some"


def test_an_answer_about_a_bound_token_is_for_its_address_alone(guard, latchkey):
    latchkey.bound = True
    assert passes(guard, address="203.0.113.9")
    assert passes(guard, address="203.0.113.9")
    assert latchkey.questions() == 1

    latchkey.live = False
    assert not passes(guard, address="198.51.100.1")
    assert latchkey.headers[-1]["X-Forwarded-For"] == "198.51.100.1"
    assert passes(guard, address="203.0.113.9")


@pytest.mark.parametrize("name", ["tok_a", "ath_b", "usr_c"])
def test_whatever_it_hangs_on_ends_it(guard, latchkey, name):
    assert passes(guard)
    latchkey.live, latchkey.told = False, [("token", name)]

    guard.follow()

    assert not passes(guard)
    assert guard._memory.kept == {} and guard._memory._by_id == {}


@pytest.mark.parametrize("how", ["reset", "resource"])
def test_starting_over_forgets_everything(guard, latchkey, how):
    assert passes(guard)
    latchkey.live = False
    if how == "reset":
        latchkey.reset = True
    else:
        latchkey.told = [("resource", "p")]

    guard.follow()

    assert not passes(guard)


def test_when_nothing_is_heard_of_ends_every_call_is_asked_about(guard, latchkey):
    assert passes(guard)
    latchkey.feed_away = True
    latchkey.now += 1.8
    assert passes(guard)
    assert latchkey.questions() == 1

    latchkey.now += 0.2
    latchkey.live = False
    assert not passes(guard)
    with pytest.raises(Unreachable):
        guard.follow()


def test_what_the_way_back_took_makes_what_is_known_older(guard, latchkey, monkeypatch):
    """A feed that is three seconds late is never fresh."""
    assert passes(guard)
    endings = latchkey.endings

    def late():
        answer = endings()
        latchkey.now += 3
        return answer

    monkeypatch.setattr(latchkey, "endings", late)
    guard.follow()
    latchkey.live = False

    assert not passes(guard)


def test_an_answer_that_was_on_its_way_while_its_token_ended_lets_nobody_pass(guard, latchkey):
    def end():
        latchkey.now += 0.3
        latchkey.live, latchkey.told, latchkey.meanwhile = False, [("token", "tok_a")], lambda: None
        guard.follow()
        latchkey.now += 0.1

    latchkey.meanwhile = end

    assert not passes(guard)
    assert not guard._memory.kept


@pytest.mark.parametrize("fail_closed, until", [(False, 60), (True, 2)])
def test_while_nothing_answers_a_token_passes_no_longer_than_stated(latchkey, fail_closed, until):
    guard = made(latchkey, fail_closed=fail_closed)
    assert passes(guard)
    began = latchkey.now
    latchkey.away = latchkey.feed_away = True
    passed = 0.0
    for _ in range(700):
        latchkey.now += 0.1
        if passes(guard):
            passed = latchkey.now - began

    assert until - 1 < passed + 0.3 <= until + 0.3
    assert guard.check(TOKEN, "projects:read").status == 503
    assert ("Retry-After", "1") in guard.check(TOKEN, "projects:read").headers


def test_an_answer_is_remembered_no_longer_than_latchkey_says_nor_sixty_seconds(guard, latchkey):
    for said, least, most in ((3, 3, 3.2), (6000, 60, 60.2), (0, 0, 0.2)):
        latchkey.left, before = said, latchkey.questions()
        token = f"Bearer {said}"
        began = latchkey.now
        assert passes(guard, token)
        while latchkey.questions() == before + 1:
            latchkey.now += 0.1
            guard.follow()
            passes(guard, token)
        assert least <= latchkey.now - began <= most


def test_what_names_nothing_that_ends_it_is_not_remembered(guard, latchkey):
    latchkey.ids = ""
    passes(guard)
    passes(guard)

    assert latchkey.questions() == 2


def test_refusals_are_remembered_for_two_seconds(guard, latchkey):
    latchkey.live = False
    assert not any(passes(guard) for _ in range(10))
    assert latchkey.questions() == 1
    latchkey.live = True
    latchkey.now += 2.1
    assert passes(guard)


@pytest.mark.parametrize(
    "header", ["Bearer " + "x" * 5000, "Bearer a\r\nX-Evil: 1", "Bearer é", "Bearer \x00", None, ""]
)
def test_what_is_no_token_reaches_latchkey_as_none(guard, latchkey, header):
    assert guard.check(header, "projects:read").status == 401
    assert "Authorization" not in latchkey.headers[-1]


def test_memory_is_bounded_and_keeps_what_is_used(latchkey):
    guard = made(latchkey, most=100)
    for number in range(1000):
        assert passes(guard, "Bearer hot")
        passes(guard, f"Bearer {number}")

    assert len(guard._memory.kept) == 100
    assert latchkey.questions() <= 1020
    assert len(guard._memory._by_id["tok_a"]) == 100


def test_many_who_ask_the_same_at_once_ask_once(guard, latchkey):
    together, hold = threading.Barrier(9), threading.Event()
    latchkey.meanwhile = lambda: hold.wait(60)
    answers = []

    def ask():
        together.wait()
        answers.append(passes(guard))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    together.wait()
    while not latchkey.questions():
        pass
    hold.set()
    for thread in threads:
        thread.join()

    assert answers == [True] * 8
    assert latchkey.questions() == 1


def test_who_comes_late_does_not_wait_for_an_old_question(guard, latchkey):
    """Else a slow answer from before the end would let it pass."""
    begun, hold = threading.Event(), threading.Event()
    first = []

    def slow():
        begun.set()
        hold.wait(60)

    latchkey.meanwhile = slow
    thread = threading.Thread(target=lambda: first.append(passes(guard)))
    thread.start()
    begun.wait(60)
    latchkey.now += 0.5
    latchkey.live, latchkey.meanwhile = False, lambda: None

    assert not passes(guard)
    hold.set()
    thread.join()


@pytest.mark.standard("H-07")
@pytest.mark.parametrize("fail_closed", [False, True])
def test_a_yes_that_names_no_token_lets_nobody_pass(latchkey, fail_closed):
    """Another server at that address, a page that says 200 to every path."""
    latchkey.token_id = ""
    guard = made(latchkey, fail_closed=fail_closed)

    assert guard.check(TOKEN, "projects:read").status == 503


@pytest.mark.parametrize(
    "body", [b'{"next": 1e999}', b"[" * 100_000, b"[]", b"null", b'{"next": 1, "endings": [5]}', b"\xff"]
)
def test_a_list_of_what_ended_that_is_none_ends_nothing_of_the_guard(guard, latchkey, monkeypatch, body):
    whole = b'{"reset": false, "endings": [], "more": false, "as_of": 0, '
    body = whole + body[1:] if body.startswith(b'{"next": 1e') else body
    monkeypatch.setattr(latchkey, "endings", lambda: (200, HTTPMessage(), body))

    with pytest.raises(Unreachable):
        guard.follow()


def test_a_follower_that_died_is_followed_by_another(monkeypatch):
    followed = threading.Semaphore(0)
    monkeypatch.setattr(latchkey_guard, "_follow", lambda *_: followed.release())
    guard = latchkey_guard.Guard("http://127.0.0.1:9", client_id="app_x", client_secret="s")

    guard._follow_if_nobody_does()
    guard._follower.join(60)
    guard._follow_if_nobody_does()
    guard._follower.join(60)

    assert followed.acquire(timeout=60) and followed.acquire(timeout=60)
    guard.close()


YES = (
    b"HTTP/1.1 200 OK\r\nX-Auth-Token-Id: tok_a\r\nX-Auth-User-Id: usr_alice\r\nX-Auth-Remember: 60\r\n"
    b"X-Auth-Ends-With: tok_a\r\nContent-Length: 0\r\n\r\n"
)
NO = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.standard("H-07")
def test_an_answer_is_never_taken_for_that_of_the_next_question(monkeypatch):
    """A proxy between may say something before the answer (RFC 8297), which then comes when nobody waits for it."""
    monkeypatch.setattr(latchkey_guard.Guard, "_follow_if_nobody_does", lambda self: None)
    listening, given_up, sent = socket.create_server(("127.0.0.1", 0)), threading.Event(), threading.Event()

    def serve():
        first, _ = listening.accept()
        with first:
            first.recv(65536)
            first.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            given_up.wait(60)
            with contextlib.suppress(OSError):
                first.sendall(YES)
            sent.set()
            second, _ = listening.accept()
            with second:
                second.recv(65536)
                second.sendall(NO)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    guard = latchkey_guard.Guard(f"http://127.0.0.1:{listening.getsockname()[1]}", client_id="app_x", client_secret="s")
    with listening:
        monkeypatch.setattr(latchkey_guard, "TIMEOUT_SECONDS", 0.5)
        assert guard.check("Bearer alices", "x").status == 503
        monkeypatch.setattr(latchkey_guard, "TIMEOUT_SECONDS", 60.0)
        given_up.set()
        sent.wait(60)
        try:
            assert guard.check("Bearer mallorys", "x").status == 401
        finally:
            guard.close()
            thread.join(60)


def test_who_waited_in_vain_for_an_answer_gets_what_is_remembered(guard, latchkey):
    assert passes(guard)
    begun, hold = threading.Event(), threading.Event()
    latchkey.meanwhile = lambda: (begun.set(), hold.wait(60))
    latchkey.now += 2.5
    thread = threading.Thread(target=lambda: passes(guard))
    thread.start()
    begun.wait(60)

    assert passes(guard)
    hold.set()
    thread.join()


def wsgi(guard, scope="projects:read", **environ):
    seen = []

    def application(environ, start):
        seen.append(environ)
        start("200 OK", [])
        return [b"in"]

    answered = []
    given = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "REMOTE_ADDR": "192.0.2.1", "HTTP_AUTHORIZATION": TOKEN}
    body = guard.wsgi(application, scope)(given | environ, lambda *told: answered.append(told))
    return answered[0], b"".join(body), seen


def test_the_wsgi_middleware_says_who_calls_and_nobody_else_does(guard, latchkey):
    _, body, [environ] = wsgi(guard, HTTP_X_AUTH_USER_ID="usr_evil", HTTP_X_AUTH_ADMIN="1")

    assert body == b"in"
    assert environ["HTTP_X_AUTH_USER_ID"] == "usr_c"
    assert "HTTP_X_AUTH_ADMIN" not in environ
    assert environ["latchkey.answer"].scopes == {"projects:read"}

    latchkey.live = False
    (status, headers), _, seen = wsgi(guard, HTTP_AUTHORIZATION="Bearer other")
    assert (status, seen) == ("401 Unauthorized", [])
    assert dict(headers)["WWW-Authenticate"].startswith("Bearer")


def test_paths_without_a_scope_and_preflights_are_open_and_nobodys(guard, latchkey):
    for environ in (
        {"PATH_INFO": "/health"},
        {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "https://a", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"},
    ):
        _, body, [seen] = wsgi(
            guard, lambda method, path: None if path == "/health" else "x", HTTP_X_AUTH_USER_ID="usr_evil", **environ
        )
        assert body == b"in"
        assert "HTTP_X_AUTH_USER_ID" not in seen
    assert latchkey.questions() == 0


def test_a_method_in_small_letters_takes_what_it_takes_in_large_ones(guard):
    asked = []

    def scope_of(method, path):
        asked.append(method)
        return "projects:write" if method == "DELETE" else "projects:read"

    wsgi(guard, scope_of, REQUEST_METHOD="delete")

    assert asked == ["DELETE"]


OTHERWISE = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL")


@pytest.mark.standard("A-07")
@pytest.mark.parametrize("open_to_all", [False, True])
def test_no_header_makes_another_call_of_one_that_passed(guard, open_to_all):
    """Some frameworks take the method or path from these, by which nobody chose the scope."""
    scope = (lambda method, path: None) if open_to_all else "projects:read"
    as_environ = {"HTTP_" + name.upper().replace("-", "_"): "DELETE" for name in OTHERWISE}
    spelt = [(name.encode(), b"DELETE") for name in (*OTHERWISE, *(name.replace("-", "_") for name in OTHERWISE))]

    _, _, [environ] = wsgi(guard, scope, **as_environ)
    [seen], _ = asgi(guard, headers=spelt, guarded=scope)

    assert not as_environ.keys() & environ.keys()
    assert b"DELETE" not in dict(seen["headers"]).values()


def test_the_callers_address_is_the_rightmost_that_no_proxy_of_ours_is(latchkey):
    for proxies, forwarded, expected in (
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.7, 203.0.113.9", "198.51.100.7"),
        (2, "203.0.113.9", "192.0.2.1"),
    ):
        wsgi(made(latchkey, trusted_proxies=proxies), HTTP_X_FORWARDED_FOR=forwarded)
        assert latchkey.headers[-1]["X-Forwarded-For"] == expected


def asgi(guard, kind="http", headers=(), guarded="projects:read", **scope):
    seen, sent = [], []

    async def application(scope, receive, send):
        seen.append(scope)

    async def send(message):
        sent.append(message)

    asked = {"type": kind, "method": "GET", "path": "/", "headers": [(b"authorization", TOKEN.encode()), *headers]}
    asyncio.run(guard.asgi(application, guarded)(asked | {"client": ("192.0.2.1", 5)} | scope, None, send))
    return seen, sent


def test_the_asgi_middleware_does_the_same(guard, latchkey):
    [scope], sent = asgi(guard, headers=[(b"X_Auth_User_Id", b"usr_evil"), (b"x-auth-user-id", b"usr_evil")])
    assert [value for name, value in scope["headers"] if name.lower().replace(b"_", b"-") == b"x-auth-user-id"] == [
        b"usr_c"
    ]
    assert scope["state"]["latchkey"].user_id == "usr_c"
    assert sent == []
    assert asgi(guard, "lifespan")[0]

    # Which of two the application would read, nobody knows.
    asgi(guard, headers=[(b"Authorization", b"Bearer other")])
    assert latchkey.headers[-1]["Authorization"] == f"{TOKEN},Bearer other"

    latchkey.live = False
    latchkey.told = [("user", "usr_c")]
    guard.follow()
    seen, [start, _] = asgi(guard)
    assert (seen, start["status"]) == ([], 401)
    seen, [closed] = asgi(guard, "websocket")
    assert (seen, closed["type"]) == ([], "websocket.close")


@pytest.mark.standard("A-07")
def test_no_event_loop_waits_longer_for_many_questions_that_nobody_answers(guard, latchkey, monkeypatch):
    """Strangers' tokens take all threads then; those that wait for one are given up."""
    assert passes(guard)
    hold = threading.Event()
    latchkey.meanwhile = lambda: hold.wait(60)
    latchkey.now += 2.5
    monkeypatch.setattr(latchkey_guard, "TIMEOUT_SECONDS", 0.05)

    async def all_at_once():
        strangers = [guard.acheck(f"Bearer {number}", "projects:read") for number in range(40)]
        try:
            return await asyncio.gather(*strangers, guard.acheck(TOKEN, "projects:read"))
        finally:
            hold.set()

    *refused, known = asyncio.run(all_at_once())

    assert {answer.status for answer in refused} == {503}
    assert known.allowed
    assert latchkey.questions() < 40


def test_a_view_of_flask(guard, latchkey):
    import flask

    app = flask.Flask("service")
    app.add_url_rule("/", view_func=guard.flask("projects:read")(lambda: flask.g.latchkey.user_id))

    assert app.test_client().get("/", headers={"Authorization": TOKEN}).text == "usr_c"
    refused = app.test_client().get("/")
    assert (refused.status_code, refused.headers["WWW-Authenticate"][:6]) == (401, "Bearer")


def test_a_dependency_of_fastapi(guard, latchkey, monkeypatch):
    class HTTPException(Exception):
        pass

    stub = types.SimpleNamespace(HTTPException=HTTPException, Request=type("Request", (), {}))
    monkeypatch.setitem(sys.modules, "fastapi", stub)
    depend = guard.fastapi("projects:read")
    client = types.SimpleNamespace(host="192.0.2.1")

    assert depend.__annotations__["request"] is stub.Request

    def request(*headers):
        return types.SimpleNamespace(client=client, scope={"headers": headers})

    assert asyncio.run(depend(request((b"authorization", TOKEN.encode())))).user_id == "usr_c"
    with pytest.raises(HTTPException) as refused:
        asyncio.run(depend(request()))
    assert refused.value.args[0] == 401

    # Proxies that add a line of their own leave the caller's where it was.
    depend = made(latchkey, trusted_proxies=1).fastapi("projects:read")
    forged = ((b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-for", b"198.51.100.1"))
    asyncio.run(depend(request((b"authorization", TOKEN.encode()), *forged)))
    assert latchkey.headers[-1]["X-Forwarded-For"] == "198.51.100.1"


@pytest.mark.parametrize("address", ["http://latchkey.example.com", "ftp://x", "latchkey.example.com", ""])
def test_tokens_go_over_https_alone(address):
    with pytest.raises(ValueError, match="https"):
        latchkey_guard.Guard(address, client_id="app_x", client_secret="s")


def test_a_process_that_is_forked_begins_anew(guard, latchkey):
    assert passes(guard)
    name = guard._name

    latchkey_guard._begin_anew(lambda: guard)

    assert guard._memory.kept == {} and guard._name != name and guard._known_at < 0


def test_the_file_needs_nothing_but_python():
    names = {name.partition(".")[0] for name in imported()}

    assert names <= set(sys.stdlib_module_names) | {"flask", "fastapi"}


def imported():
    import ast

    for node in ast.walk(ast.parse((ROOT / "guard" / "latchkey_guard.py").read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
