"""`latchkey gateway`: the same files as in the portal."""

import pytest

from latchkey import gateways
from tests import apis

pytestmark = pytest.mark.either_database("asks the database nothing")


@pytest.mark.settings(base_url="https://keys.acme.example")
@pytest.mark.parametrize("gateway", gateways.GATEWAYS, ids=lambda gateway: gateway.id)
def test_it_prints_the_file_for_this_installation(cli, gateway):
    expected = gateways.text(gateway, "https://keys.acme.example")

    assert cli("gateway", gateway.id).stdout == expected
    assert cli.json("gateway", gateway.id) == {"gateway": gateway.id, "file": gateway.file, "text": expected}


@pytest.mark.parametrize("name", ["apache", "nginx.conf", "../nginx", ""])
def test_another_gateway_is_wrong_usage(cli, name):
    assert cli("gateway", name).exit_code == 2


def test_it_is_written_for_the_apis_of_this_installation_or_for_one_of_them(two_apis, cli):
    both, one = cli("gateway", "nginx").stdout, cli("gateway", "nginx", "--resource", "billing").stdout

    assert "server_name api.example.com;" in both and "server_name billing.example.com;" in both
    assert "server_name api.example.com;" not in one
    assert "location /v2/billing/ {" in one
    assert "location = /.well-known/oauth-protected-resource/v2 {" in one
    assert "Not used here" not in one


@pytest.mark.parametrize("name", ["nothing", "account", "mcp", "", "HTTPS://API.example.com:443"])
def test_an_api_that_the_file_does_not_name_is_refused(two_apis, cli, name):
    assert cli.refused("gateway", "caddy", "--resource", name) == "instance/resources.toml names no such API"


@pytest.mark.parametrize("address", ["https://api.example.com/a;b", "https://$host/", "https://a.example/?x=%7B"])
@pytest.mark.parametrize("gateway", gateways.GATEWAYS, ids=lambda gateway: gateway.id)
def test_an_address_that_would_mean_something_else_in_the_file_is_refused(catalogues, cli, gateway, address):
    catalogues(apis.SCOPES, apis.RESOURCES.replace("HTTPS://API.example.com:443", address))

    assert "characters" in cli.refused("gateway", gateway.id, "--resource", "projects")
    assert "projects" not in cli("gateway", gateway.id).stdout


def test_scopes_beyond_reading_and_changing_are_named_and_open_nothing(catalogues, cli):
    more = apis.SCOPES.replace("projects:write", "projects:export")
    catalogues(more, apis.RESOURCES.replace("projects:write", "projects:export"))

    text = cli("gateway", "nginx").stdout

    assert 'default   "";' in text
    assert "# Not used here: projects:export. Give each a location of its own." in text


@pytest.mark.parametrize("gateway", gateways.GATEWAYS, ids=lambda gateway: gateway.id)
def test_two_apis_of_one_path_and_noun_make_one_place_of_it(catalogues, cli, gateway):
    one, two = "https://api.example.com/v1", "https://api.example.com/v1/"
    scopes = "".join(
        f'["files:{verb}"]\ntitle = "Files"\ndescription = "Your files"\ngroup = "Files"\n'
        for verb in ("read", "write")
    )
    resources = "".join(
        f'[{name}]\nidentifier = "{identifier}"\ntitle = "{name}"\nscopes = ["files:{verb}"]\n'
        for name, identifier, verb in (("one", one, "read"), ("two", two, "write"))
    )
    catalogues(scopes, resources)

    text = cli("gateway", gateway.id).stdout

    documents = {
        "nginx": "location = /.well-known/oauth-protected-resource/v1 {",
        "caddy": "handle /.well-known/oauth-protected-resource/v1 {",
        "traefik": "Path(`/.well-known/oauth-protected-resource/v1`)",
        "envoy": 'path: "/.well-known/oauth-protected-resource/v1"',
    }
    assert text.count(documents[gateway.id]) == 1
    assert "two_files" not in text
    if gateway.id == "nginx":
        assert text.count("location /v1/files/ {") == 1
        assert "# Not used here: files:write of two. Give each a location of its own." in text
