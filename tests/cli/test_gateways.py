"""`latchkey gateway`: the same files as in the portal."""

import pytest

from latchkey import gateways


@pytest.mark.settings(base_url="https://keys.acme.example")
@pytest.mark.parametrize("gateway", gateways.GATEWAYS, ids=lambda gateway: gateway.id)
def test_it_prints_the_file_for_this_installation(cli, gateway):
    expected = gateways.text(gateway, "https://keys.acme.example")

    assert cli("gateway", gateway.id).stdout == expected
    assert cli.json("gateway", gateway.id) == {"gateway": gateway.id, "file": gateway.file, "text": expected}


@pytest.mark.parametrize("name", ["apache", "nginx.conf", "../nginx", ""])
def test_another_gateway_is_wrong_usage(cli, name):
    assert cli("gateway", name).exit_code == 2
