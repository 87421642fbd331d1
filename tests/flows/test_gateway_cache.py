"""nginx with the cache that the operator switched on: what it keeps, for whom, and what it never writes."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

import playwright
import pytest

from latchkey import gateways, scopes, settings, tokens
from latchkey.store import migrations
from latchkey.store import session as database
from latchkey.store.session import db
from tests import factories, programs, servers
from tests.flows import gateways as running

pytestmark = pytest.mark.slow("starts a server and nginx")
SCOPES = """
["projects:read"]
title = "See projects"
description = "See projects."
group = "Projects"

["projects:write"]
title = "Change projects"
description = "Change projects."
group = "Projects"
sensitive = true
"""
SECONDS = 60


def written(url: str) -> str:
    return gateways.text(gateways.GATEWAYS[0], url, kept=SECONDS)


def digest(token: str) -> str:
    return hashlib.sha256(f"Bearer {token}".encode()).hexdigest()


def test_the_digest_is_that_of_the_header(tmp_path):
    """The function as it stands in the file, run by the JavaScript that Playwright brings."""
    code = "\n".join(re.findall(r"^#js (.*)$", written("http://127.0.0.1:5000"), re.MULTILINE))
    (tmp_path / "latchkey.mjs").write_text(code)
    (tmp_path / "ask.mjs").write_text(
        "import guard from './latchkey.mjs';"
        "console.log(JSON.stringify([{Authorization: 'Bearer x'}, {}].map(headersIn => guard.caller({headersIn}))))"
    )
    node = Path(playwright.__file__).parent / "driver" / "node"

    told = subprocess.run([node, tmp_path / "ask.mjs"], check=True, capture_output=True, text=True).stdout

    assert json.loads(told) == [digest("x"), hashlib.sha256(b"").hexdigest()]


def test_nothing_of_it_stands_in_the_file_while_it_is_off():
    text = gateways.text(gateways.GATEWAYS[0], "http://127.0.0.1:5000")

    assert "cache" not in text
    assert "js_" not in text


def test_nginx_keeps_what_latchkey_allows_and_nothing_else(tmp_path):
    (tmp_path / "scopes.toml").write_text(SCOPES)
    ours = settings.load({}, instance=tmp_path, database_url=f"sqlite:///{tmp_path / 'latchkey.db'}")
    settings.use(ours)
    database.configure(ours.database_url)
    migrations.upgrade()
    scopes.load(tmp_path / "scopes.toml")
    alice = factories.make_user("alice@example.com")
    plain = factories.make_token(alice, scopes=("projects:read",))
    sensitive = factories.make_token(alice, description="s", scopes=("projects:read", "projects:write"))
    folder = tmp_path / "answers"
    options = {"LATCHKEY_TRUSTED_PROXIES": "1", "LATCHKEY_CHECK_CACHE_SECONDS": str(SECONDS)}
    with servers.latchkey(tmp_path, forked=True, **options) as server, running.api() as behind:
        # The packages of a machine for tests bring no njs: its answers stand in a table.
        digests = "".join(f'"Bearer {each.plaintext}" {digest(each.plaintext)};' for each in (plain, sensitive))
        text = written(server.url).replace("js_import latchkey from latchkey.js;", "")
        text = text.replace(
            "js_set $latchkey_caller latchkey.caller;", f"map $http_authorization $latchkey_caller {{{digests}}}"
        )
        text = text.replace("/dev/shm/latchkey-answers", str(folder)).replace("127.0.0.1:8080", behind)
        port = servers.free_port()
        with (tmp_path / "nginx.log").open("wb") as log:
            command = [str(programs.nginx()), *running.nginx(f"map_hash_bucket_size 256;\n{text}", port, tmp_path)]
            process = servers.start(command, running.signal.SIGQUIT, stdout=log, stderr=log, cwd=tmp_path)
        try:
            gateway = running.Gateway(port)
            servers.wait_until(gateway.answers, "nginx")

            def ask(each, method="GET"):
                return gateway.call("/projects/1", method=method, token=each.plaintext).status

            assert (ask(plain), ask(sensitive)) == (200, 200)
            assert ask(plain, "DELETE") == 403
            for each in (plain, sensitive):
                tokens.revoke(db.merge(each.token))
            db.commit()

            assert ask(plain) == 200, "kept for a while, as the operator wants it"
            assert ask(sensitive) == 401
            assert gateway.call("/projects/1", token=f"{plain.plaintext}x").status == 401
            kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
            assert digest(plain.plaintext).encode() in kept
            assert plain.plaintext.encode() not in kept
            assert digest(sensitive.plaintext).encode() not in kept
        finally:
            servers.end(process, running.signal.SIGQUIT)
            database.dispose()
            scopes.load(Path("nowhere"))
