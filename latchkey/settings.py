"""Configuration of one installation: defaults, then instance/config.toml, then LATCHKEY_* variables."""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from latchkey import addresses, values
from latchkey.parsing import sources, upstream
from latchkey.values import Limit

PREFIX = sources.PREFIX
ROOT = Path(__file__).resolve().parent.parent


class SettingError(Exception):
    """A setting is unknown or has a bad value; the text is one line that names the key and what is allowed."""


def _folder(value: object) -> Path:
    return Path(values.text(value)).resolve()


def _setting(parse: Callable[[object], Any], default: Any = None) -> Any:
    return field(default=default, metadata={"parse": parse})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One installation's settings; each field with a parser is the key LATCHKEY_<NAME> or <name> in config.toml."""

    instance: Path = field(default=ROOT / "instance", metadata={"parse": _folder})
    database_url: str = _setting(values.text, "")
    database_read_url: str | None = _setting(
        values.matching(r"postgresql(\+psycopg)?://.*", "postgresql+psycopg://… of a replica")
    )
    base_url: str = _setting(values.origin, "http://127.0.0.1:5000")
    mode: str = _setting(values.choice("development", "production"), "production")
    secret_key: str = _setting(values.secret, "")
    secret_key_fallbacks: tuple[str, ...] = _setting(values.secrets, ())
    mail_server: str | None = _setting(values.text)
    mail_port: int = _setting(values.number(1, 65535), 25)
    mail_username: str | None = _setting(values.text)
    mail_password: str | None = _setting(values.text)
    mail_use_tls: bool = _setting(values.flag, default=False)
    mail_use_ssl: bool = _setting(values.flag, default=False)
    mail_sender: str = _setting(values.sender, "latchkey@localhost")
    token_prefix: str = _setting(values.matching(r"[a-z][a-z0-9]{1,9}", "2 to 10 of a-z and 0-9, a letter first"), "lk")
    brand_name: str = _setting(
        values.matching(r"[^\x00-\x1f<>]{1,40}", "1 to 40 characters on one line, none of them < or >"), "Latchkey"
    )
    brand_accent: str = _setting(values.matching(r"#[0-9a-fA-F]{6}", "a colour such as #0b6b5c"), "#0b6b5c")
    brand_logo: str | None = _setting(values.text)
    brand_tagline: str | None = _setting(
        values.matching(r"[^\x00-\x1f<>]{1,160}", "1 to 160 characters on one line, none of them < or >")
    )
    api_docs_url: str | None = _setting(values.link)
    links: tuple[tuple[str, str], ...] = _setting(values.links, ())
    operator_guides: str = _setting(values.choice("everybody", "administrators"), "administrators")
    rate_limit_url: str = _setting(
        values.matching(r"(memory|redis|rediss)://.*", "memory:// or redis://…"), "memory://"
    )
    api_rate_limit: str | None = _setting(
        values.matching(r"[1-9]\d{0,8}/(second|minute|hour|day)", "a rate such as 600/minute")
    )
    refresh_grace_seconds: int = _setting(values.number(0, 30), 0)
    token_max_days: int | None = _setting(values.number(1, 3660))
    token_default_days: int = _setting(values.number(1, 3660), 90)
    apps: str = _setting(values.choice("everybody", "administrators"), "everybody")
    token_disused_days: int | None = _setting(values.number(30, 3660))
    signup: str = _setting(values.signup, "open")
    require_second_factor: str = _setting(values.choice("nobody", "administrators", "everybody"), "administrators")
    oidc_issuer: str | None = _setting(upstream.issuer)
    oidc_client_id: str | None = _setting(values.matching(r"[!-~]{1,255}", "1 to 255 characters without spaces"))
    oidc_client_secret: str | None = _setting(values.matching(r"[ -~]{1,1000}", "1 to 1000 characters of ASCII"))
    oidc_name: str | None = _setting(
        values.matching(r"[^\x00-\x1f<>]{1,40}", "1 to 40 characters on one line, none of them < or >")
    )
    oidc_groups_claim: str | None = _setting(values.matching(r"[!-~]{1,200}", "the name of one claim"))
    oidc_admin_groups: tuple[str, ...] = _setting(upstream.groups, ())
    passwords: str = _setting(values.choice("on", "off"), "on")
    trusted_proxies: int = _setting(values.number(0, 10), 0)
    metrics_token: str | None = _setting(values.matching(r"[!-~]{16,200}", "16 to 200 characters without spaces"))
    security_contact: str | None = _setting(values.contact)
    shadow_url: str | None = _setting(values.web_address)
    scanner_keys_url: str | None = _setting(values.web_address)
    client_documents: str = _setting(values.choice("off", "listed", "open"), "off")
    client_registration: str = _setting(values.choice("off", "open"), "off")
    introspection: str = _setting(values.choice("any", "marked"), "any")
    check_cache_seconds: int = _setting(values.number(0, 60), 0)
    quota_tokens: int = _setting(values.number(1, 1_000_000), 5_000)
    quota_apps: int = _setting(values.number(1, 1_000_000), 50)
    quota_writes: Limit = _setting(values.rate, Limit(60, timedelta(minutes=1)))
    quota_pending: int = _setting(values.number(1, 1_000), 20)
    quota_signups: Limit = _setting(values.rate, Limit(20, timedelta(minutes=10)))
    quota_letters: Limit = _setting(values.rate, Limit(5, timedelta(hours=1)))
    quota_introspection: Limit = _setting(values.rate, Limit(100, timedelta(seconds=1)))

    # What was named by the environment, the file or a caller: no policy of an administrator changes it.
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def development(self) -> bool:
        """Whether the pages under /dev exist."""
        return self.mode == "development"

    @property
    def secure(self) -> bool:
        """Whether people reach us over https."""
        return self.base_url.startswith("https://")

    @property
    def upstream(self) -> str | None:
        """What people call the upstream by which they sign in; None without one."""
        return (self.oidc_name or urlsplit(self.oidc_issuer).hostname) if self.oidc_issuer else None

    @property
    def sends_mail(self) -> bool:
        """Whether letters reach people; in development they are read at /dev/mail."""
        return self.development or self.mail_server is not None

    @property
    def warnings(self) -> dict[str, str]:
        """What an operator certainly does not mean, by what it is about."""
        found = {}
        if not self.sends_mail:
            found["mail"] = "LATCHKEY_MAIL_SERVER is not set: nobody can sign up or ask for a new password"
        if self.secure and self.trusted_proxies == 0:
            found["proxies"] = (
                "LATCHKEY_BASE_URL is https and LATCHKEY_TRUSTED_PROXIES is 0: everybody's address is the proxy's own"
            )
        return found

    def cookie(self, name: str = "latchkey") -> str:
        """A cookie's name: its own for each server on one host, since browsers tell ports apart for nothing else."""
        port = urlsplit(self.base_url).port
        return f"{'__Host-' if self.secure else ''}{name}{f'-{port}' if port else ''}"

    @property
    def signup_domains(self) -> frozenset[str]:
        """Mail domains that may sign up; empty when sign-up is open or by invitation."""
        return frozenset() if self.signup in ("open", "invite") else frozenset(self.signup.split(","))

    def secret(self, name: str) -> str:
        """A secret of this installation, generated into instance/<name> with mode 0600 when it is first asked for."""
        return _stored_secret(self.instance / name)


def _stored_secret(path: Path) -> str:
    try:
        return values.kept_secret(path)
    except OSError as error:
        raise SettingError(f"LATCHKEY_INSTANCE cannot be {path.parent}: {error.strerror}") from None
    except ValueError as error:
        raise SettingError(f"{path.name} in the instance folder is {error}: remove it to have one made") from None


def load(environ: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
    """Read the settings of this process. `overrides` win over everything; raises `SettingError`."""
    return _completed(read(environ, **overrides))


def read(environ: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
    """The settings as they are written, for what needs no installation: no secret is made. Raises `SettingError`."""
    found = sources.environment(environ)
    instance = overrides.get("instance") or found.get("instance", (None, ROOT / "instance"))[1]
    try:
        given = sources.file(Path(str(instance)) / "config.toml") | found
    except ValueError as error:
        raise SettingError(str(error)) from None
    given |= {name: (name, value) for name, value in overrides.items()}
    parsed = {name: _parsed(name, label, value) for name, (label, value) in given.items()}
    if parsed.get("mode") == "development":
        # Whoever tries things out signs up often, always from one place.
        parsed.setdefault("operator_guides", "everybody")
        parsed.setdefault("quota_signups", Limit(200, timedelta(minutes=10)))
    return Settings(**parsed, given={name: label for name, (label, _) in given.items()})


def _completed(settings: Settings) -> Settings:
    host = urlsplit(settings.base_url).hostname or ""
    if not settings.development and not settings.secure and not addresses.is_loopback(host):
        raise SettingError(f"LATCHKEY_BASE_URL is {settings.base_url}: production needs https (http only for loopback)")
    if settings.mail_use_tls and settings.mail_use_ssl:
        raise SettingError("LATCHKEY_MAIL_USE_TLS and LATCHKEY_MAIL_USE_SSL are both on: choose one")
    if contradiction := upstream.contradiction(vars(settings)):
        raise SettingError(contradiction)
    defaults: dict[str, Any] = {}
    if not settings.secret_key:
        defaults["secret_key"] = settings.secret("secret_key")
    if not settings.database_url:
        # In an address some of what a folder's name may hold means something.
        defaults["database_url"] = f"sqlite:///{quote(str(settings.instance / 'latchkey.db'))}"
    return Settings(**{f.name: getattr(settings, f.name) for f in fields(Settings)} | defaults)


def _parsed(name: str, label: str, value: object) -> Any:
    known = {f.name: f for f in fields(Settings) if "parse" in f.metadata}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        meant = f", {PREFIX}{near[0].upper()} is" if near else ""
        raise SettingError(
            f"{label} is not a setting{meant}; known are {', '.join(sorted(PREFIX + n.upper() for n in known))}"
        )
    if value is None or isinstance(value, Path | Limit):
        return value
    try:
        return known[name].metadata["parse"](value)
    except ValueError as error:
        shown = (
            "what it is set to"
            if any(word in name for word in ("secret", "password", "metrics_token", "database"))
            else repr(value)[:60]
        )
        raise SettingError(f"{label} cannot be {shown}: allowed is {error}") from None


# Those of the start, and what they are with the administrators' policies.
_base: list[Settings] = []
_current: list[Settings] = []


def use(settings: Settings) -> None:
    """Make these the settings of this process."""
    _base[:] = _current[:] = [settings]


def overlay(policies: Mapping[str, Any]) -> None:
    """Put policies over the defaults; what was given at the start stays as it is."""
    base = _base[0]
    _current[:] = [replace(base, **{name: value for name, value in policies.items() if name not in base.given})]


def current() -> Settings:
    """The settings that `use` was given, with the policies over them."""
    return _current[0]


def base() -> Settings:
    """The settings of the start, without policies."""
    return _base[0]


def parse(name: str, value: object) -> Any:
    """The value of a setting, as it is written. Raises `SettingError`."""
    return _parsed(name, name, value)
