"""A new token's form at first: empty, or filled in by a link."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from latchkey import credentials, ids, scopes, texts, tokens
from latchkey.naming import presets
from latchkey.tokens import lifetimes
from portal import drafts
from portal.guards import this_user
from portal.tokens.forms import NewTokenForm, day_in, last_day, lives

LIKE, PRESET = "like", "preset:"
NUMBER = re.compile(r"[1-9]\d{0,4}", re.ASCII)


class Filled(NamedTuple):
    """A form, whether a link filled it in, and whether something in the link was of no use."""

    form: NewTokenForm
    by_link: bool
    left_out: bool


def fill(args: Mapping[str, str]) -> Filled:
    """The form that a link asks for; it is only ever shown, never sent by itself (I-04)."""
    if typed := drafts.typed():
        return Filled(NewTokenForm(formdata=typed), by_link=False, left_out=False)
    form = NewTokenForm(formdata=None, data={"expires": str(lifetimes.preset()), "form_id": credentials.opaque()})
    asked = [name for name in FILL if args.get(name)]
    useful = [FILL[name](form, args[name]) for name in asked]
    return Filled(form, bool(asked), not all(useful))


def meant(args: Mapping[str, str]) -> str | None:
    """The user's token named in the API's `fix_url`; None if it is not live."""
    asked = args.get("token", "")
    token = tokens.get_for(this_user(), asked) if ids.is_id(asked, "tok") else None
    return token.id if token is not None and not token.ended else None


def _description(form: NewTokenForm, text: str) -> bool:
    if credentials.spotted(text):
        return False
    try:
        form.description.data = texts.line(text, tokens.LONGEST_DESCRIPTION)
    except texts.BadText:
        return False
    return True


def _scopes(form: NewTokenForm, text: str) -> bool:
    asked = frozenset(text.split())
    form.tick(asked)
    return asked <= scopes.catalogue().keys()


def _preset(form: NewTokenForm, text: str) -> bool:
    known = presets.named().get(text)
    form.tick(known or ())
    return known is not None


def _like(form: NewTokenForm, text: str) -> bool:
    other = tokens.get_for(this_user(), text) if ids.is_id(text, "tok") else None
    form.tick(other.scopes if other is not None else ())
    return other is not None


def started(form: NewTokenForm, sent: Mapping[str, str]) -> bool:
    """Whether a button was pressed that lets the form start from a preset or another token, whose scopes are ticked."""
    do = sent.get("do", "")
    if do != LIKE and not do.startswith(PRESET):
        return False
    form.scope.data = []
    if do == LIKE:
        _like(form, sent.get("like", ""))
    else:
        _preset(form, do.removeprefix(PRESET))
    return True


def _expiry(form: NewTokenForm, text: str) -> bool:
    if not NUMBER.fullmatch(text):
        return False
    if text in {life.value for life in lives()}:
        form.expires.data = text
        return True
    day, last = day_in(int(text)), last_day()
    form.expires.data = "date"
    form.until.data = (day if last is None else min(day, last)).isoformat()
    return last is None or day <= last


FILL: Mapping[str, Callable[[NewTokenForm, str], bool]] = {
    "description": _description,
    "scopes": _scopes,
    "preset": _preset,
    "like": _like,
    "expires_in_days": _expiry,
}
