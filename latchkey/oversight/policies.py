"""Settings that administrators change in `/admin`, unless the environment or the file has fixed them.

They are rows, read by each process every two seconds beside its requests and put over the defaults: no request asks
the database for them, and a change holds everywhere within five seconds.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, Text, delete, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, scopes, settings
from latchkey.clients import document_urls, redirects
from latchkey.journal import acts
from latchkey.journal.acts import ActKind
from latchkey.settings import SettingError
from latchkey.store.conflicts import Gone
from latchkey.store.session import Base, db, stamp
from latchkey.tokens import Token
from latchkey.tokens.indexes import DEVELOPER

log = logging.getLogger("latchkey.policies")

SECONDS = 2.0
# Scopes that need approval beside those that scopes.toml marks; no setting of the environment.
APPROVAL = "approval_scopes"
LONGEST = 4_000
# Hosts whose metadata documents of apps are read while LATCHKEY_CLIENT_DOCUMENTS is `listed`; no setting either.
HOSTS = "document_hosts"
MOST_HOSTS = 200
LONGEST_HOST = 260
HOST = re.compile(rf"(?:{redirects.HOST.pattern})(?::[1-9][0-9]{{0,4}})?", re.ASCII)
NAMES = (
    *("token_max_days", "token_default_days", "signup", "require_second_factor"),
    *("apps", "client_documents", "client_registration", "introspection"),
    *("brand_tagline", "api_docs_url", "links", "operator_guides"),
)


class Policy(Base):
    """One setting as an administrator wrote it."""

    __tablename__ = "policy"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(default=stamp)


class BadPolicies(Exception):
    """Some of them cannot be: `errors` says why, by name."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


def fixed(name: str) -> str:
    """Where it stands if the environment or the file has named it: the variable, or `signup in config.toml`."""
    return settings.base().given.get(name, "")


def refresh() -> None:
    """Take over what is stored now. What an earlier or later version wrote and this one cannot read is left out."""
    found: dict[str, Any] = {}
    approvals: list[str] = []
    hosts: list[str] = []
    for name, value in db.execute(select(Policy.name, Policy.value)).all():
        try:
            if name == APPROVAL:
                approvals = json.loads(value).split()
            elif name == HOSTS:
                hosts = json.loads(value).split()
            elif name in NAMES:
                found[name] = settings.parse(name, json.loads(value))
        except SettingError:
            log.warning("the policy %s cannot be read and does not count", name)
    settings.overlay(found)
    scopes.require_approval(approvals)
    document_urls.list_hosts(hosts)


def save(wanted: Mapping[str, str]) -> list[str]:
    """Store what administrators want; an empty text is the default. The names of those that changed.

    What is fixed stays as it is. Holds in this process after `refresh`. Raises `BadPolicies`.
    """
    stored = {row.name: row for row in db.scalars(select(Policy).with_for_update())}
    changed, errors = [], {}
    for name in (*NAMES, *LISTS):
        text = wanted.get(name, "").strip()
        if name not in wanted or fixed(name) or text == (json.loads(stored[name].value) if name in stored else ""):
            continue
        try:
            text = _checked(name, text)
        except SettingError as error:
            errors[name] = str(error).rpartition(": ")[2].removeprefix("allowed is ")
            continue
        _store(name, text)
        changed.append(name)
    if errors:
        raise BadPolicies(errors)
    for name in changed:
        # Each by itself: a long one must not push what else was changed out of what the others read.
        acts.record(ActKind.POLICIES_CHANGED, "", f"{name} = {wanted[name].strip() or 'default'}")
    return changed


def _checked(name: str, text: str) -> str:
    if len(text) > LONGEST:
        raise SettingError(f"{name}: at most {LONGEST:,} characters")
    if name in LISTS:
        return LISTS[name](text)
    if text:
        settings.parse(name, text)
    return text


def _known_scopes(text: str) -> str:
    try:
        return scopes.serialize(scopes.parse(" ".join(text.replace(",", " ").split())))
    except scopes.UnknownScope:
        raise SettingError(f"{APPROVAL}: scopes of the catalogue") from None


def _hosts(text: str) -> str:
    named = text.replace(",", " ").split()
    if len(named) > MOST_HOSTS or not all(len(name) <= LONGEST_HOST and HOST.fullmatch(name) for name in named):
        raise SettingError(f"{HOSTS}: at most {MOST_HOSTS} host names in lower case, such as app.example.com")
    return " ".join(dict.fromkeys(named))


# What is a list of its own beside the settings, and how it is read.
LISTS: dict[str, Callable[[str], str]] = {APPROVAL: _known_scopes, HOSTS: _hosts}


def _store(name: str, text: str) -> None:
    db.execute(delete(Policy).where(Policy.name == name))
    if not text:
        return
    try:
        with db.begin_nested():
            db.add(Policy(name=name, value=json.dumps(text)))
    except IntegrityError:
        # Somebody else saved at this moment: look again.
        raise Gone from None


def written() -> dict[str, str]:
    """Each as it is stored; one that is not is at its default."""
    return {name: str(json.loads(value)) for name, value in db.execute(select(Policy.name, Policy.value)).all()}


def outliving(days: int) -> int:
    """How many developer tokens work longer from now on than so many days."""
    longer = or_(Token.expires_at.is_(None), Token.expires_at > clock.now() + timedelta(days=days))
    held = (DEVELOPER, Token.revoked_at.is_(None), Token.successor_id.is_(None), longer)
    return db.scalar(select(func.count()).where(*held)) or 0
