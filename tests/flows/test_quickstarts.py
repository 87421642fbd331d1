"""The examples on an app's page, pasted and run as they stand there."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests import factories, programs, servers
from tests.factories import Registered
from tests.oauth import signing
from tests.oauth.signing import Pair


class Person:
    """Somebody at a browser without a script, who agrees to everything."""

    def __init__(self, server: servers.Server, email: str) -> None:
        self.url = server.url
        self.browser = requests.Session()
        self.browser.headers["Origin"] = server.url
        self.post(self.get("/login"), "/login", email=email, password=factories.PASSWORD)

    def get(self, path: str) -> str:
        answer = self.browser.get(path if path.startswith("http") else self.url + path, timeout=60)
        assert answer.status_code == 200, answer.text[:1000]
        return answer.text

    def post(self, page: str, path: str, **fields: str) -> requests.Response:
        hidden = dict(re.findall(r'name="(csrf_token|handle)"[^>]*value="([^"]*)"', page))
        return self.browser.post(self.url + path, data=hidden | fields, allow_redirects=False, timeout=60)

    def example(self, client_id: str, language: str) -> str:
        """What Copy copies."""
        page = self.get(f"/apps/{client_id}?lang={language}")
        code = re.search(r'<code id="qs">(.*?)</code>', page, re.DOTALL)
        return html.unescape(re.sub(r"<[^>]+>", "", code[1])).strip()

    def agree(self, address: str) -> str:
        """Where one lands after agreeing."""
        answer = self.post(self.get(address), "/oauth/authorize", decision="allow")
        assert answer.status_code == 303, answer.text[:1000]
        return answer.headers["Location"]


@pytest.fixture(params=["confidential", "public"])
def registered(request: pytest.FixtureRequest, alice) -> Registered:
    return factories.make_client(
        alice,
        redirect_uris=["https://app.example.com/call'back?a=1&b=$HOME"],
        confidential=request.param == "confidential",
    )


@pytest.fixture
def person(live_server, alice) -> Person:
    return Person(live_server, alice.email)


def play(command: list[str], registered: Registered, person: Person, folder: Path) -> str:
    """Run an example without a terminal of its own: give it the secret, agree, give it the address that it leads to."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        start_new_session=True,
    ) as running:
        try:
            if registered.secret:
                running.stdin.write(registered.secret + "\n")
                running.stdin.flush()
            said = ""
            while not (address := re.search(r"http\S+/oauth/authorize\?\S+", said)):
                line = running.stdout.readline()
                assert line, said
                said += line
            running.stdin.write(person.agree(address[0]) + "\n")
            rest, _ = running.communicate(timeout=240)
        finally:
            running.kill()
    assert running.returncode == 0, said + rest
    assert registered.secret is None or registered.secret not in said + rest
    return rest


@pytest.mark.either_database("about programs that are shown, which ask the database what others do")
@pytest.mark.slow("runs programs against a server")
def test_the_example_for_curl_calls_the_api(registered, person, tmp_path, alice):
    text = person.example(registered.client.id, "curl")
    (tmp_path / "start.sh").write_text(text)

    said = play(["bash", "start.sh"], registered, person, tmp_path)

    assert "need not load: copy its address" in text
    answer = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert answer["email"] == alice.email
    assert "not the answer" not in said


@pytest.mark.either_database("about programs that are shown, which ask the database what others do")
@pytest.mark.slow("runs programs against a server")
def test_the_example_for_curl_stops_at_an_answer_to_another_request(registered, person, tmp_path):
    (tmp_path / "start.sh").write_text(person.example(registered.client.id, "curl"))
    typed = f"{registered.secret}\n" if registered.secret else ""

    ran = subprocess.run(
        ["bash", "start.sh"],
        input=typed + "https://app.example.com/callback?code=stolen&state=another\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
        check=True,
    )

    assert "not the answer to this request, so nothing was exchanged" in ran.stdout
    assert "error" not in ran.stdout


@pytest.mark.either_database("about programs that are shown, which ask the database what others do")
@pytest.mark.slow("runs programs against a server")
def test_the_example_for_python_calls_the_api(registered, person, tmp_path, alice):
    (tmp_path / "start.py").write_text(person.example(registered.client.id, "python"))

    said = play([sys.executable, "-u", "start.py"], registered, person, tmp_path)

    assert alice.id in said
    assert alice.email in said


@pytest.mark.either_database("about programs that are shown, which ask the database what others do")
@pytest.mark.slow("runs programs against a server")
def test_the_example_for_javascript_is_a_module(registered, person, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    text = person.example(registered.client.id, "javascript")
    (tmp_path / "start.mjs").write_text(text)

    subprocess.run([node, "--check", "start.mjs"], cwd=tmp_path, check=True)

    assert registered.client.id in text
    assert person.url in text


@pytest.mark.either_database("about programs that are shown, which ask the database what others do")
@pytest.mark.slow("runs programs against a server")
@pytest.mark.standard("D-15")
@pytest.mark.parametrize("language, command", [("python", [sys.executable, "-u"]), ("javascript", ["node"])])
def test_the_example_of_an_app_with_keys_signs_with_its_key(alice, person, tmp_path, language, command):
    pair, made = Pair(), factories.make_client(alice)
    registered = Registered(factories.give_keys(made.client, signing.key_set(pair)), None)
    (tmp_path / "private-key.json").write_text(json.dumps(pair.key.as_dict(private=True)))
    (tmp_path / "node_modules").symlink_to(programs.node_modules())
    (tmp_path / "start.mjs").write_text(person.example(made.client.id, language))

    said = play([*command, "start.mjs"], registered, person, tmp_path)

    assert alice.email in said
