"""An operator follows the page “A file in api/” and has a resource of their own in the API."""

import json
import re
import urllib.request

import pytest

from tests import factories
from tests.flows import snippets
from tests.flows.checkout import Checkout, only_once

pytestmark = [pytest.mark.slow("follows a guide in a checkout of its own, with a server"), only_once]


def test_an_operator_who_follows_the_page_has_projects_in_the_api(client, instance, tmp_path):
    ours = Checkout(tmp_path / "latchkey", instance)
    first, page = (ours.page(client, path) for path in ("/docs/your-api", "/docs/your-api/inside"))
    assert first.keys() == {"ex-scopes-file", "ex-scopes", "ex-tokens"}
    assert page.keys() == {"ex-file", "ex-add", "ex-calls", "ex-revoked"}
    factories.make_user("ada@example.com")

    ours.run(first["ex-scopes"], page["ex-add"])

    assert (ours.folder / "instance" / "scopes.toml").read_text().strip() == first["ex-scopes-file"]
    assert (ours.folder / "api" / "projects.py").read_text().strip() == page["ex-file"]
    [migration] = (ours.folder / "migrations" / "versions").glob("*_keep_projects.py")
    assert re.search(r"create_table\(\s*.project.", migration.read_text())
    with ours.served() as server:
        answers = ours.run(first["ex-tokens"], page["ex-calls"], page["ex-revoked"])
        with urllib.request.urlopen(f"{server.url}/v1/openapi.json") as answer:
            document = json.load(answer)
        with urllib.request.urlopen(f"{server.url}/docs/api") as answer:
            reference = answer.read().decode()

    assert snippets.statuses(answers) == [401, 200, 403, 201, 200, 401]
    missing, too_narrow, revoked = snippets.challenges(answers)
    assert "error=" not in missing
    assert 'error="insufficient_scope"' in too_narrow
    assert 'scope="projects:write"' in too_narrow
    assert 'error="invalid_token"' in revoked
    assert answers.count('"name":"Harbour survey"') == 2
    projects = document["paths"]["/v1/projects"]
    for method, scope in (("get", "projects:read"), ("post", "projects:write")):
        assert [name for need in projects[method]["security"] for names in need.values() for name in names] == [scope]
    assert "POST /v1/projects" in reference
