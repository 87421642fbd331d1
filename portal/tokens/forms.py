"""The forms of tokens; what is typed stays in their fields when something is wrong."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from flask import request
from flask_wtf import FlaskForm
from wtforms import (
    Field,
    HiddenField,
    RadioField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)

from latchkey import clock, credentials, scopes, texts
from latchkey.naming import listed
from latchkey.tokens import LONGEST_DESCRIPTION, Renewal, Token, lifetimes, ranges
from portal.fields import boxes_touched, day, ticked, unless_touched

DAYS = (7, 30, 90, 365)
LONGEST_ADDRESSES = 4_000
# How many seconds the old string goes on, as it is sent, and as people read it.
KEEP = {"0": "Not at all", "3600": "1 hour", "86400": "24 hours", "604800": "7 days"}


class Life(NamedTuple):
    """One choice of how long a token works, and the day of its end where that is known."""

    value: str
    label: str
    until: date | None


def day_in(days: int) -> date:
    """The day that is so many days from now, in UTC."""
    return (clock.now() + timedelta(days=days)).date()


def last_day() -> date:
    """The latest day that a token with an end may work."""
    return day_in(lifetimes.longest())


def lives() -> list[Life]:
    """The choices that this installation allows."""
    days = sorted({*(days for days in DAYS if days <= lifetimes.longest()), lifetimes.preset()})
    counted = [Life(str(n), "1 year" if n == 365 else f"{n} day{'s' * (n != 1)}", day_in(n)) for n in days]
    counted.append(Life("date", "On a date…", None))
    return [*counted, Life("never", "No expiry", None)] if lifetimes.endless() else counted


class OneTimeForm(FlaskForm):
    """A form that hands out a string once, however often it is sent."""

    form_id = HiddenField()

    def validate_form_id(self, field: Field) -> None:
        """The number of the form, without which it could be taken twice."""
        if not credentials.is_opaque(field.data or ""):
            field.data = credentials.opaque()
            raise ValidationError("Part of this form was missing. Look it over and send it again.")


class TokenForm(FlaskForm):
    """Description and scopes."""

    description = StringField("Description")
    scope = SelectMultipleField("Scopes", choices=[], validate_choice=False)

    def validate_description(self, field: Field) -> None:
        """What the domain keeps as a description."""
        if not (field.data or "").strip():
            raise ValidationError("Describe what will use this token.")
        try:
            field.data = texts.line(field.data, LONGEST_DESCRIPTION)
        except texts.BadText as fault:
            raise ValidationError(str(fault)) from None

    def validate_scope(self, field: Field) -> None:
        """At least one scope; nothing ticked never means all of them."""
        try:
            scopes.check(field.data or ())
        except scopes.NoScopes:
            raise ValidationError("Choose at least one scope.") from None
        except scopes.UnknownScope:
            raise ValidationError("Choose from these scopes only; others do not exist here.") from None

    def tick(self, names: Iterable[str]) -> None:
        """Tick these too, as far as they are there."""
        wanted = {*names, *(self.scope.data or ())}
        self.scope.data = [name for name in scopes.catalogue() if name in wanted]

    def wants_all(self, names: Iterable[str]) -> bool:
        """Whether “Select all scopes” was pressed, which without a script is a button; it ticks these."""
        allowed = frozenset(names)
        chosen = ticked(request.form.get("do"), listed.for_forms().values(), self.scope.data or ())
        if chosen is None:
            return False
        self.scope.data = [name for name in chosen if name in allowed]
        return True


class ExpiryForm(FlaskForm):
    """How long a token works."""

    expires = RadioField("Expires", choices=[], validate_choice=False)
    until = StringField("Last day it works")
    # The first choice, where there is one before: as long as then, or until then.
    same: Life | None = None

    def offered(self) -> list[Life]:
        return lives() if self.same is None else [self.same, *lives()]

    def validate_expires(self, field: Field) -> None:
        """One of the choices that were offered."""
        if field.data not in {life.value for life in self.offered()}:
            raise ValidationError("Choose when the token expires.")

    def validate_until(self, field: Field) -> None:
        """A day after today, if one was asked for."""
        if self.expires.data != "date":
            return
        chosen, last = day(field.data), last_day()
        if chosen is None or chosen <= clock.now().date():
            raise ValidationError("Choose a date after today.")
        if chosen > last:
            raise ValidationError(f"Tokens here live for {lifetimes.longest()} days at most.")

    def lifetime(self) -> timedelta | None:
        """How long the token is to work; on its last day it works to the end of the day, UTC."""
        if self.expires.data == "never":
            return None
        if self.expires.data != "date":
            return timedelta(days=int(self.expires.data))
        end = datetime.combine(day(self.until.data) or date.min, time(23, 59, 59), UTC) - clock.now()
        return min(end, timedelta(days=lifetimes.longest()))


class AddressesForm(FlaskForm):
    """From where a token works."""

    allowed_addresses = TextAreaField("Addresses and ranges")

    def validate_allowed_addresses(self, field: Field) -> None:
        """Ranges, one a line; none means any."""
        if len(field.data or "") > LONGEST_ADDRESSES:
            raise ValidationError(f"Name at most {ranges.MOST} ranges.")
        try:
            field.data = "\n".join((ranges.check((field.data or "").split()) or "").split())
        except ranges.BadRange as fault:
            raise ValidationError(str(fault)) from None

    def bound(self) -> str | None:
        """What to keep of them."""
        return ranges.check((self.allowed_addresses.data or "").split())


class NewTokenForm(TokenForm, ExpiryForm, AddressesForm, OneTimeForm):
    """Everything about a new token."""


def _as_it_is(token: Token) -> dict[str, str]:
    """What the page of a token holds when it is opened."""
    return {
        "was_description": token.description or "",
        "was_scope": scopes.serialize(token.scopes),
        "was_allowed_addresses": "\n".join((token.allowed_addresses or "").split()),
    }


class EditTokenForm(TokenForm, ExpiryForm, AddressesForm):
    """What may be changed about a token; what is not sent stays, and what was not changed since its page was opened."""

    was_description = HiddenField()
    was_scope = HiddenField()
    was_allowed_addresses = HiddenField()

    def __init__(self, token: Token, **given: Any) -> None:
        end = token.expires_at
        self.same = Life("same", f"{_named(end.date())}, as now" if end else "No expiry, as now", end and end.date())
        then = _as_it_is(token)
        ours = {"allowed_addresses": then["was_allowed_addresses"]}
        given["data"] = {"expires": "same", **ours, **then, **given.get("data", {})}
        super().__init__(**given)

    def keep_untouched(self, token: Token) -> None:
        """Let what was not changed on the page be as it is now: it may have been opened long ago."""
        self.description.data = unless_touched(self.description.data, self.was_description.data, token.description)
        self.scope.data = boxes_touched(self.scope.data or (), _words(self.was_scope), token.scopes)
        now = (token.allowed_addresses or "").split()
        addresses = unless_touched(_words(self.allowed_addresses), _words(self.was_allowed_addresses), now)
        self.allowed_addresses.data = "\n".join(addresses)
        # A page that comes back with a fault shows what is so by now.
        for name, value in _as_it_is(token).items():
            self[name].data = value


class RegenerateForm(ExpiryForm, OneTimeForm):
    """How long the new string works, and how long the old one goes on."""

    keep = RadioField("Keep the old one working for", choices=[], validate_choice=False)

    def __init__(self, length: timedelta | None, **given: Any) -> None:
        until = None if length is None else (clock.now() + length).date()
        self.same = Life("same", f"{_counted(length)}, as before", until)
        given["data"] = {"expires": "same", "keep": "0", **given.get("data", {})}
        super().__init__(**given)

    def validate_keep(self, field: Field) -> None:
        """One of the choices that were offered."""
        if field.data not in KEEP:
            raise ValidationError("Choose how long the old one goes on.")

    def chosen(self) -> Renewal:
        """What the verb takes."""
        keep = timedelta(seconds=int(self.keep.data))
        if self.expires.data == "same":
            return Renewal(keep=keep)
        return Renewal(self.lifetime(), as_before=False, keep=keep)


def _words(field: Field) -> list[str]:
    return (field.data or "").split()


def _named(end: date) -> str:
    return f"{end.day} {end:%B %Y}"


def _counted(length: timedelta | None) -> str:
    if length is None:
        return "No expiry"
    days = max(1, round(length / timedelta(days=1)))
    return "In 1 year" if days == 365 else f"In {days} day{'s' * (days != 1)}"
