"""The old key check beside ours: it decides nothing, and tells what no import could bring."""

import http.server
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from latchkey import credentials, tokens
from latchkey import settings as settings_module
from latchkey.oversight import gauges
from latchkey.store import session as store
from latchkey.tokens.imported import lookup, shadow
from latchkey.transfer.moving import importing
from tests import factories
from tests.cli import moving

MD5 = "md5$salt$" + "a" * 32
ROWS = [
    "id,email,scopes,key,digest\n",
    f"17,ada@example.com,account:read,,{MD5}\n",
    f"18,ada@example.com,account:read,,{MD5}\n",
    "19,ada@example.com,account:read,plain-key,\n",
    "20,ada@example.com,account:read,,sha256$s$" + "0" * 64 + "\n",
]


class Old(http.server.BaseHTTPRequestHandler):
    """Says of each string what a test wants."""

    answers: ClassVar[dict[str, tuple[int, str]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        text = self.headers["Authorization"].removeprefix("Bearer ")
        self.asked.append(text)
        status, row = self.answers.get(text, self.answers.get("*", (401, "")))
        self.send_response(status)
        if row:
            self.send_header("X-Auth-Token-Id", row)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Old) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/check"
        server.shutdown()


@pytest.fixture
def old(app, url, settings, tmp_path, monkeypatch):
    """The old check; keys of Ada were imported while it is asked."""
    monkeypatch.setattr(shadow, "_old", shadow._Old())
    Old.answers.clear()
    Old.asked.clear()
    given = {"base_url": settings.base_url, "mode": settings.mode, "instance": settings.instance}
    settings_module.use(settings_module.load({}, **given, database_url=settings.database_url, shadow_url=url))
    with Path(moving.lines(tmp_path / "keys.csv", ROWS)).open("rb") as file:
        brought = importing.bring(file, "csv", names={}, owner=None, public_key=None, tell=pytest.fail)
    assert brought.counts["tokens"].new == 4
    store.db.remove()
    yield Old
    shadow._old.pending.join()


@pytest.fixture
def check(app, old):
    """The status of the gateway check for a string."""

    def check(text, address="127.0.0.1") -> int:
        headers, there = {"Authorization": f"Bearer {text}"}, {"REMOTE_ADDR": address}
        answer = app.test_client().get("/oauth/check", headers=headers, environ_base=there)
        store.db.remove()
        return answer.status_code

    return check


def told(caplog) -> list[str]:
    shadow._old.pending.join()
    return [record.getMessage() for record in caplog.records if record.name == "latchkey.shadow"]


@pytest.mark.standard("I-02")
def test_a_string_is_learned_at_its_first_use_and_needs_the_old_check_no_more(check, old):
    old.answers |= {"17.secret": (200, ""), "no-name-at-all": (204, "18")}

    assert [check("17.guess"), check("17.secret"), check("no-name-at-all"), check("other")] == [401, 200, 200, 401]
    shadow._old.pending.join()
    old.answers.clear()
    assert [check("17.secret"), check("no-name-at-all")] == [200, 200]
    assert tokens.find("17.secret").last4 == "cret"


def test_what_the_old_check_lets_pass_and_no_import_brought_is_refused_and_reported(check, old, caplog):
    old.answers |= {"unknown-key": (200, ""), "another": (200, "99"), "20.wrong": (200, "")}

    assert [check("unknown-key"), check("another"), check("20.wrong")] == [401, 401, 401]
    shown = [credentials.digest(text).hex()[:8] for text in ("unknown-key", "another")]
    assert [any(digest in said for said in told(caplog)) for digest in shown] == [True, True]
    assert "unknown-key" not in caplog.text


def test_a_difference_about_a_known_token_is_reported_once_and_ours_stands(check, old, caplog, alice):
    ours = factories.make_token(alice).plaintext

    assert [check("plain-key"), check("plain-key"), check(ours)] == [200, 200, 200]

    token = tokens.find("plain-key")
    assert told(caplog) == [f"shadow: theirs is refused, ours passes ({token.id})"]
    assert "plain-key" not in caplog.text
    assert old.asked == ["plain-key"]


@pytest.mark.parametrize("status", [500, 302, 429])
def test_an_old_check_that_is_away_changes_nothing_and_is_left_alone(check, old, caplog, status):
    old.answers["*"] = (status, "17")

    assert [check("unknown-key"), check("unknown-key"), check("17.x"), check("third")] == [401] * 4
    assert [check("fourth"), check("plain-key")] == [401, 200]
    told(caplog)
    assert old.asked == ["unknown-key", "17.x", "third"]


@pytest.mark.standard("L-05")
@pytest.mark.parametrize("status", [500, 302, 429])
def test_strings_that_break_the_old_check_silence_it_for_nobody_else(check, old, status):
    old.answers |= {f"bad-{number}": (status, "") for number in range(8)} | {"17.secret": (200, "")}

    assert {check(f"bad-{number}", "198.51.100.7") for number in range(8)} == {401}
    # Who sends others goes on.
    assert check("17.secret") == 200
    assert len([text for text in old.asked if text.startswith("bad-")]) == 3


@pytest.mark.parametrize("networks, asked", [("198.51.{}.7", 9), ("2001:db8:{}::7", 9), ("2001:db8:1:{}::7", 10)])
def test_what_several_networks_see_is_the_old_checks_own_fault_unless_they_are_one_site(check, old, networks, asked):
    old.answers["*"] = (500, "")
    for number in range(3):
        for text in range(3):
            check(f"bad-{number}-{text}", networks.format(number))
    assert len(old.asked) == 9

    assert check("17.secret", "203.0.113.9") == 401
    assert len(old.asked) == asked


def test_an_old_check_that_cannot_be_reached_is_left_alone_at_once(check, old, settings, caplog):
    now = settings_module.current()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings_module.use(replace(now, shadow_url=f"http://127.0.0.1:{closed.getsockname()[1]}/check"))
        assert [check("unknown-key"), check("17.secret", "198.51.100.7")] == [401, 401]
    assert len([said for said in told(caplog) if "cannot be reached" in said]) == 1


@pytest.mark.standard("I-02")
@pytest.mark.parametrize("row", ["", "17"])
def test_a_page_that_answers_200_to_everybody_teaches_nobodys_string(check, old, caplog, row):
    old.answers["*"] = (200, row)

    assert [check("17.guess"), check("anything-at-all"), check("eyJh.eyJq.c2ln")] == [401, 401, 401]
    assert "lets pass what nobody has" in caplog.text

    old.answers |= {"*": (401, ""), "17.secret": (200, "")}
    assert [check("17.guess"), check("17.secret")] == [401, 200]


def test_what_it_says_beside_ours_is_counted(check, old, monkeypatch):
    counted = []
    monkeypatch.setattr(shadow, "watchers", [counted.append])
    unseen = {gauge.name: gauge.value for gauge in gauges.read()}["latchkey_imported_unseen"]
    old.answers |= {"17.secret": (200, ""), "unknown-key": (200, ""), "broken": (500, "")}

    for text in ("17.secret", "unknown-key", "broken", "plain-key"):
        check(text)
    shadow._old.pending.join()

    assert sorted(counted) == ["away", "differs", "learned", "same", "unknown"]
    assert {gauge.name: gauge.value for gauge in gauges.read()}["latchkey_imported_unseen"] == unseen - 1


def test_what_is_proved_here_is_not_taken_on_anybodys_word(check, old):
    old.answers["some-string"] = (200, "20")

    assert check("some-string") == 401


@pytest.mark.parametrize("status", [400, 404, 414, 422])
def test_a_string_that_the_old_check_does_not_like_silences_it_for_nobody_else(check, old, status):
    old.answers |= {"strange": (status, ""), "17.secret": (200, "")}

    assert [check("strange"), check("17.secret")] == [401, 200]


def test_strangers_cannot_have_the_old_check_asked_at_will(check, old, clock):
    for number in range(lookup.PROOFS[0].most + 3):
        assert check(f"guess-{number}") == 401

    assert len(old.asked) == lookup.PROOFS[0].most
