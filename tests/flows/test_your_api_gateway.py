"""An operator follows the page “Behind nginx” and has an API of their own behind /oauth/check."""

import importlib.util

import pytest

from latchkey.settings import ROOT
from tests import factories, servers
from tests.flows import gateways, snippets
from tests.flows.checkout import Checkout, only_once, program

pytestmark = [pytest.mark.slow("follows a guide in a checkout of its own, with servers"), only_once]


def test_an_operator_who_follows_the_page_has_projects_behind_nginx(client, instance, tmp_path):
    ours, behind = Checkout(tmp_path / "latchkey", instance), servers.free_port()
    first = ours.page(client, "/docs/your-api")
    page = ours.page(client, "/docs/your-api/gateway")
    assert page.keys() == {"ex-file", "ex-run", "ex-nginx", "ex-calls", "ex-revoked"}
    factories.make_user("ada@example.com")
    ours.run(first["ex-scopes"])
    file = ours.folder / "examples" / "projects" / "gateway" / "app.py"
    assert file.read_text().strip() == page["ex-file"]
    # What nginx is given in this test, with its addresses; the page copies it to where root alone may write.
    assert f"cp docs/gateways/{gateways.KINDS['nginx'].file} " in page["ex-nginx"]

    with (
        ours.served(),
        program(page["ex-run"].replace("8080", str(behind)), ours.folder, behind),
        gateways.run("nginx", ours.url, f"127.0.0.1:{behind}", tmp_path) as gateway,
    ):
        there = f"http://127.0.0.1:{gateway.port}/"
        lines = [page[name].replace("http://api.example.com/", there) for name in ("ex-calls", "ex-revoked")]
        answers = ours.run(first["ex-tokens"], *lines)
        forged = ours.run(f"curl -i -H 'X-Auth-User-Id: admin' {there}projects/ {there}public/hello")

    assert snippets.statuses(answers) == [401, 200, 403, 201, 200, 401]
    missing, too_narrow, revoked = snippets.challenges(answers)
    assert "error=" not in missing
    assert 'scope="projects:write"' in too_narrow
    assert 'error="invalid_token"' in revoked
    assert answers.count('"name":"Harbour survey"') == 2
    assert snippets.statuses(forged) == [401, 200]


@pytest.mark.standard("H-11")
@pytest.mark.parametrize("headers", [{}, {"X-Auth-User-Id": ""}])
def test_apps_that_act_as_themselves_share_nothing_behind_the_gateway(headers):
    spec = importlib.util.spec_from_file_location("example", ROOT / "examples" / "projects" / "gateway" / "app.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    api = example.app.test_client()

    assert api.post("/projects/", json={"name": "Mine"}, headers=headers).status_code == 403
    assert api.get("/projects/", headers=headers).status_code == 403
