"""The settings of the upstream: each by itself, all together, and what `latchkey doctor` says of them."""

import json

import pytest
from click.testing import CliRunner

from cli import latchkey
from latchkey import settings
from latchkey.settings import SettingError
from latchkey.upstream import provider as known

ISSUER = {"oidc_issuer": "https://login.example.com/realms/acme", "oidc_client_id": "portal"}


def load(instance, **given):
    return settings.load({f"LATCHKEY_{key.upper()}": value for key, value in given.items()}, instance=instance)


@pytest.mark.parametrize(
    "issuer",
    ["https://login.example.com", "https://login.example.com/", "https://a.example:8443/x/y", "http://localhost:9000"],
)
def test_an_issuer_is_kept_as_it_is_written(instance, issuer):
    found = load(instance, oidc_issuer=issuer, oidc_client_id="portal")

    assert found.oidc_issuer == issuer
    assert found.upstream in ("login.example.com", "a.example", "localhost")


@pytest.mark.parametrize(
    "given, key",
    [
        ({"oidc_issuer": "http://login.example.com"}, "LATCHKEY_OIDC_ISSUER"),
        ({"oidc_issuer": "https://login.example.com?x"}, "LATCHKEY_OIDC_ISSUER"),
        ({"oidc_issuer": "https://login.example.com#x"}, "LATCHKEY_OIDC_ISSUER"),
        ({"oidc_issuer": "https://a@login.example.com"}, "LATCHKEY_OIDC_ISSUER"),
        ({"oidc_issuer": "login.example.com"}, "LATCHKEY_OIDC_ISSUER"),
        ({"oidc_issuer": "https://a.example/" + "x" * 500}, "LATCHKEY_OIDC_ISSUER"),
        ({"oidc_client_id": None}, "LATCHKEY_OIDC_CLIENT_ID"),
        ({"oidc_issuer": None}, "LATCHKEY_OIDC_CLIENT_ID"),
        ({"oidc_issuer": None, "oidc_client_id": None, "passwords": "off"}, "LATCHKEY_PASSWORDS"),
        ({"passwords": "no"}, "LATCHKEY_PASSWORDS"),
        ({"oidc_groups_claim": "groups"}, "LATCHKEY_OIDC_ADMIN_GROUPS"),
        ({"oidc_admin_groups": "ops"}, "LATCHKEY_OIDC_GROUPS_CLAIM"),
        ({"oidc_admin_groups": "ops,,x", "oidc_groups_claim": "groups"}, "LATCHKEY_OIDC_ADMIN_GROUPS"),
        ({"oidc_name": "<b>"}, "LATCHKEY_OIDC_NAME"),
        ({"oidc_client_secret": "a\nb"}, "LATCHKEY_OIDC_CLIENT_SECRET"),
    ],
    ids=str,
)
def test_what_cannot_be_stops_the_start_with_one_line_that_names_the_key(instance, given, key):
    with pytest.raises(SettingError) as refused:
        load(instance, **{name: value for name, value in (ISSUER | given).items() if value is not None})

    assert key in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_client_secret_that_cannot_be_is_not_repeated(instance):
    with pytest.raises(SettingError) as refused:
        load(instance, **ISSUER, oidc_client_secret="hush-hush\n-hush")

    assert "hush" not in str(refused.value)


def examined(settings, acme) -> dict[str, object]:
    environment = {
        "LATCHKEY_INSTANCE": str(settings.instance),
        "LATCHKEY_DATABASE_URL": settings.database_url,
        "LATCHKEY_MODE": "development",
        "LATCHKEY_TEST_DATABASE": None,
        "LATCHKEY_OIDC_ISSUER": acme.issuer,
        "LATCHKEY_OIDC_CLIENT_ID": "portal",
        "LATCHKEY_OIDC_CLIENT_SECRET": "secret",
    }
    told = json.loads(CliRunner().invoke(latchkey, ["doctor", "--json"], env=environment).stdout)
    return next(check for check in told["checks"] if check["name"] == "upstream")


def test_the_doctor_asks_it_and_names_what_to_register(acme, settings):
    found = examined(settings, acme)

    assert found["ok"]
    assert "/login/oidc/callback" in found["detail"]


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "said, why",
    [
        ({"issuer": "https://other.example"}, "calls itself 'https://other.example'"),
        ({"token_endpoint": "ftp://x"}, "its address for token"),
        ({"id_token_signing_alg_values_supported": ["HS256"]}, "no algorithm"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "no client with a secret"),
        ({"jwks_uri": "http://127.0.0.1:1/keys"}, "nobody answers"),
    ],
)
def test_the_doctor_says_what_would_let_nobody_in(acme, settings, said, why):
    acme.metadata |= said
    known.forget()

    found = examined(settings, acme)

    assert not found["ok"]
    assert why in found["detail"]
