"""What an operator configures: defaults, then the file, then the environment; a mistake is one clear line."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from latchkey import settings
from latchkey.settings import SettingError
from latchkey.store.engines import Engines
from latchkey.values import Limit


def load(instance, **environment):
    return settings.load({f"LATCHKEY_{key.upper()}": value for key, value in environment.items()}, instance=instance)


def refusal(instance, **environment) -> str:
    with pytest.raises(SettingError) as refused:
        load(instance, **environment)
    line = str(refused.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("name", ["brand_name", "brand_tagline", "oidc_name"])
def test_a_name_with_a_bracket_is_told_what_it_must_not_hold(instance, name):
    assert "none of them < or >" in refusal(instance, **{name: "a<b"})


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(instance):
    (instance / "config.toml").write_text('brand_name = "Acme"\ntoken_prefix = "acme"\nsignup = "invite"\n')

    found = load(instance, brand_name="Example", signup="")

    assert (found.brand_name, found.token_prefix, found.signup, found.trusted_proxies) == (
        "Example",
        "acme",
        "invite",
        0,
    )


def test_an_unknown_key_is_named_wherever_it_stands(instance):
    assert "LATCHKEY_BASE_ULR" in refusal(instance, base_ulr="https://portal.example.com")
    (instance / "config.toml").write_text("trusted = 1")
    assert "trusted in config.toml" in refusal(instance)


def test_a_byte_order_mark_in_the_config_file_is_no_error(instance):
    (instance / "config.toml").write_bytes(b"\xef\xbb\xbfbrand_name = 'Acme'")

    assert load(instance).brand_name == "Acme"


def test_a_file_that_cannot_be_read_is_told(instance):
    (instance / "config.toml").write_bytes(b"brand_name = \xff")

    assert "config.toml cannot be read" in refusal(instance)


@pytest.mark.parametrize(
    "given,kept",
    [
        ("https://portal.example.com", "https://portal.example.com"),
        ("https://Portal.Example.com/", "https://portal.example.com"),
        ("https://portal.example.com:8443", "https://portal.example.com:8443"),
        ("https://portal.example.com:443", "https://portal.example.com"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("http://localhost:5001", "http://localhost:5001"),
    ],
)
def test_the_base_url_is_kept_as_browsers_write_an_origin(instance, given, kept):
    assert load(instance, base_url=given).base_url == kept


@pytest.mark.standard("A-02")
@pytest.mark.parametrize(
    "given",
    [
        "portal.example.com", "ftp://portal.example.com", "https://", "https://:443", "https://portal.example.com/path",
        "https://portal.example.com?x", "https://portal.example.com#x", "https://me:you@portal.example.com", "https://[::1",
        "https://portal.example.com:abc", "https://portal.example.com:99999", 'https://a b"c.example', "https://münchen.example",
        "https://portal..example.com", "https://portal.example.com\nX: y",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(instance, given):
    assert "an origin such as https://portal.example.com" in refusal(instance, base_url=given)


@pytest.mark.standard("A-02")
@pytest.mark.parametrize("host", ["portal.example.com", "192.0.2.1", "0.0.0.0", "[2001:db8::1]"])
def test_production_is_reached_over_https(instance, host):
    assert "production needs https" in refusal(instance, base_url=f"http://{host}")
    assert load(instance, base_url=f"https://{host}").secure
    assert load(instance, base_url=f"http://{host}", mode="development").development


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "[::1]"])
def test_production_may_be_tried_out_on_this_machine(instance, host):
    assert not load(instance, base_url=f"http://{host}:5000").secure


@pytest.mark.standard("A-04")
@pytest.mark.parametrize("given", ["changeme", "secret", "dev", "short-secret", "a" * 64, "changeme" * 8])
def test_a_sample_or_short_secret_is_refused_and_not_repeated(instance, given):
    line = refusal(instance, secret_key=given)

    assert "LATCHKEY_SECRET_KEY" in line
    assert "at least 32 random characters" in line
    assert repr(given) not in line


@pytest.mark.parametrize(
    "key,given",
    [
        ("mode", "staging"), ("mail_port", "0"), ("mail_port", "\N{ARABIC-INDIC DIGIT THREE}"),
        ("mail_use_tls", "perhaps"), ("mail_sender", "a@b\nBcc: c@d"),
        ("mail_sender", "Acme, Inc. <no-reply@example.com>"), ("mail_sender", "Acme"), ("mail_sender", "a@"),
        ("mail_sender", "a@b.example, c@d.example"), ("mail_sender", "a <b@c.example> d"), ("mail_sender", "a@b@c"),
        ("mail_sender", "group: a@b.example;"), ("mail_sender", "<>"), ("mail_sender", "x" * 400 + "@b.example"),
        ("secret_key_fallbacks", "short"), ("secret_key_fallbacks", ","),
        ("token_prefix", "1k"), ("token_prefix", "LK"),
        ("token_prefix", "k"),
        ("brand_name", "<b>"), ("brand_name", "x" * 41), ("brand_accent", "green"), ("rate_limit_url", "memcached://x"),
        ("refresh_grace_seconds", "31"), ("token_max_days", "0"), ("signup", "example"), ("signup", "a.example,"),
        ("trusted_proxies", "-1"), ("api_rate_limit", "lots"), ("brand_logo", " "),
        ("introspection", "all"), ("quota_tokens", "0"), ("quota_apps", "many"), ("quota_pending", "20/minute"),
        ("quota_writes", "60"), ("quota_writes", "0/minute"), ("quota_writes", "60/0 minutes"),
        ("quota_letters", "5/week"),
        ("quota_signups", "20/ten minutes"), ("quota_introspection", "100/second; drop"),
    ],
)  # fmt: skip
def test_a_bad_value_names_its_key_and_what_is_allowed(instance, key, given):
    line = refusal(instance, **{key: given})

    assert f"LATCHKEY_{key.upper()} cannot be" in line
    assert "allowed is" in line


@pytest.mark.parametrize(
    "given,kept",
    [
        ("no-reply@example.com", "no-reply@example.com"),
        ('"Acme, Inc." <no-reply@example.com>', '"Acme, Inc." <no-reply@example.com>'),
        ("Acme Inc. <no-reply@Example.com>", '"Acme Inc." <no-reply@example.com>'),
        ("latchkey@localhost", "latchkey@localhost"),
        ("Post <post@straße.example>", "Post <post@xn--strae-oqa.example>"),
    ],
)
def test_the_sender_of_mail_is_one_address(instance, given, kept):
    assert load(instance, mail_sender=given).mail_sender == kept


@pytest.mark.parametrize(
    "given, kept",
    [
        ("security@example.com", "mailto:security@example.com"),
        ("mailto:security+portal@example.com", "mailto:security+portal@example.com"),
        (" https://example.com/security?to=us#form ", "https://example.com/security?to=us#form"),
    ],
)
def test_whom_to_tell_of_a_weakness_is_a_uri(instance, given, kept):
    assert load(instance, security_contact=given).security_contact == kept


@pytest.mark.parametrize(
    "given",
    [
        "us", "http://example.com", "a@example.com\nContact: mailto:b@example.com", "https://example.com/\u2028x",
        "https://example.com/a b", "javascript:alert(1)", "a@example.com?bcc=b@example.com", "https://", "mailto:",
        "https://example.com/" + "x" * 2000, 5,
    ],
)  # fmt: skip
def test_no_other_line_gets_into_the_security_contact(instance, given):
    with pytest.raises(SettingError, match="LATCHKEY_SECURITY_CONTACT cannot be"):
        load(instance, security_contact=given)


def test_what_kubernetes_sets_for_a_service_of_our_name_is_let_pass(instance):
    given = {"port": "tcp://10.0.0.1:80", "port_80_tcp_addr": "10.0.0.1", "service_host": "10.0.0.1"}

    assert load(instance, **given, service_port="80") == load(instance)
    assert "LATCHKEY_PORTS" in refusal(instance, ports="80")


@pytest.mark.parametrize("name", ["what?", "50%", "a#b", "100%25 sure", "ü & co", "a+b=c;d"])
def test_an_instance_folder_may_have_any_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()

    made = Engines(load(folder).database_url)
    made.read.connect().close()
    made.dispose()

    assert (folder / "latchkey.db").is_file()


def test_servers_on_other_ports_of_one_host_share_no_cookie(instance):
    names = [
        load(instance, base_url=origin).cookie()
        for origin in ("http://localhost:5000", "http://localhost:5001", "https://a.example", "https://a.example:8443")
    ]

    assert names == ["latchkey-5000", "latchkey-5001", "__Host-latchkey", "__Host-latchkey-8443"]


def test_earlier_keys_are_secrets_like_the_one_of_today(instance):
    keys = ["0123456789abcdefghij-0123456789-a", "0123456789abcdefghij-0123456789-b"]

    assert load(instance, secret_key_fallbacks=", ".join(keys)).secret_key_fallbacks == tuple(keys)


def test_mail_is_encrypted_in_one_way(instance):
    assert "choose one" in refusal(instance, mail_use_tls="true", mail_use_ssl="true")


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path):
    fresh = tmp_path / "fresh"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: settings.load({}, instance=fresh).secret_key, range(8)))

    assert len(found) == 1
    assert stat.S_IMODE((fresh / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in fresh.iterdir()] == ["secret_key"]
    assert settings.load({}, instance=fresh).secret_key in found


def test_a_stored_secret_that_is_too_short_is_told(instance):
    (instance / "secret_key").write_text("short\n")

    assert "secret_key in the instance folder is too short" in refusal(instance)


def test_an_instance_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")

    assert "LATCHKEY_INSTANCE cannot be" in refusal(tmp_path / "file" / "instance")


def test_a_rate_is_a_count_and_a_time(instance):
    found = load(instance, quota_writes="600/minute", quota_letters="3/2 hours", quota_introspection="1/second")

    assert found.quota_writes == Limit(600, timedelta(minutes=1))
    assert found.quota_letters == Limit(3, timedelta(hours=2))
    assert found.quota_introspection == Limit(1, timedelta(seconds=1))


def test_quotas_hold_without_being_set(instance):
    found = load(instance)

    assert (found.quota_tokens, found.quota_apps, found.quota_pending) == (5_000, 50, 20)
    assert found.quota_writes == Limit(60, timedelta(minutes=1))
    assert found.quota_signups == Limit(20, timedelta(minutes=10))
    assert found.quota_letters == Limit(5, timedelta(hours=1))
    assert found.quota_introspection == Limit(100, timedelta(seconds=1))
    assert load(instance, mode="development").quota_signups == Limit(200, timedelta(minutes=10))
    assert load(instance, mode="development", quota_signups="7/day").quota_signups == Limit(7, timedelta(days=1))
