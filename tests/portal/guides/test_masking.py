"""Whatever looks like a secret leaves a pasted text; its name and everything else stay."""

import pytest

from latchkey import credentials, ids
from latchkey.credentials import Kind
from portal.guides import masking
from tests import processor

pytestmark = pytest.mark.either_database("asks the database nothing")

SECRET = "hunter2-and-more"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


@pytest.mark.standard("P-01")
@pytest.mark.parametrize(
    "text",
    [
        "curl -u app_1:{} https://portal.example.com/oauth/token",
        "curl --user 'app_1:{}' https://portal.example.com",
        "curl https://ada:{}@portal.example.com/v1/me",
        "-d client_secret={} -d grant_type=authorization_code",
        "-d code={}&state=xyz",
        "-d code_verifier={}",
        '{{"access_token": "{}", "token_type": "Bearer"}}',
        '{{"refresh_token":"{}"}}',
        "{{'password': '{}'}}",
        "Authorization: Basic {}",
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "DPoP {}",
        "Cookie: latchkey={}",
        "curl -H 'Cookie: theme=dark; latchkey={}'",
        "Set-Cookie: session={}; HttpOnly",
        "X-Api-Key: {}",
        "apikey={}",
        "https://app.example.com/callback?code={}&iss=x",
        "https://app.example.com/#id_token={}",
        "client_assertion={}",
        "device_code: {}",
    ],
)
def test_what_a_secret_is_called_stays_and_the_secret_goes(text):
    shown = masking.masked(text.format(SECRET))

    assert SECRET not in shown
    assert masking.MASK in shown
    assert shown.replace(masking.MASK, "").strip()


@pytest.mark.standard("P-01")
@pytest.mark.parametrize(
    "secret",
    [
        JWT,
        JWT.rpartition(".")[0] + ".",
        "ghp_1234567890abcdefghijklmnopqrstuvwxyz",
        "AKIAIOSFODNN7EXAMPLEKEY12",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg==",
        "lk_dev_abc123",
        "ACME_OAT_" + "A" * 36,
    ],
)
@pytest.mark.parametrize("around", ["{}", "token {} end", "x '{}'", "https://portal.example.com/?q={}"])
def test_what_looks_drawn_at_random_goes_by_itself(secret, around):
    shown = masking.masked(around.format(secret))

    assert secret not in shown
    assert secret[12:] not in shown


@pytest.mark.parametrize("kind", list(Kind))
def test_our_credentials_keep_what_they_are(settings, kind):
    assert masking.masked(credentials.generate(kind)) == f"lk_{kind}_{masking.MASK}"


@pytest.mark.parametrize(
    "text",
    [
        "curl -X POST https://portal.example.com/v1/apps/app_01a2138cf04d0000483cb7e28b7e/secret",
        "grant_type=authorization_code redirect_uri=https://app.example.com/callback",
        '{"type": "https://portal.example.com/docs/api#problem-insufficient-scope", "scope": "account:read"}',
        'WWW-Authenticate: Bearer error="insufficient_scope", scope="account:read"',
        'curl -H "Authorization: Bearer $TOKEN" https://portal.example.com/v1/me',
        "token_type=Bearer token_endpoint_auth_method=none",
        "-d client_secret=$CLIENT_SECRET",
    ],
)
def test_what_is_no_secret_stays(text):
    assert masking.masked(text) == text


def test_an_id_of_ours_is_no_secret():
    assert masking.masked(found := ids.new_id("tok")) == found


@pytest.mark.slow("masks megabytes")
@pytest.mark.parametrize(
    "part", ["eyJ-", "-a", "+a1", "token", "token ", "a_dev_", "://a:", " -u ", "secret=", "bearer ", "x-", "{"]
)
def test_no_input_keeps_a_core_busy(part):
    """Without bounds of their own, single patterns take 6 seconds and more."""
    text = (part * 60_000)[:60_000]

    processor.takes_less(2.5, lambda: masking.masked(text))
