"""The forms of tokens; what is typed stays in their fields when something is wrong."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from flask import request
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, RadioField, SelectMultipleField, StringField, ValidationError

from latchkey import clock, credentials, scopes, texts
from latchkey.tokens import LONGEST_DESCRIPTION, lifetimes
from portal.fields import day, ticked

DAYS = (7, 30, 90, 365)


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

    def wants_all(self, names: Iterable[str]) -> bool:
        """Whether “Select all scopes” was pressed, which without a script is a button; it ticks these."""
        allowed = frozenset(names)
        chosen = ticked(request.form.get("do"), scopes.groups().values(), self.scope.data or ())
        if chosen is None:
            return False
        self.scope.data = [name for name in chosen if name in allowed]
        return True


class NewTokenForm(TokenForm, OneTimeForm):
    """Everything about a new token."""

    expires = RadioField("Expires", choices=[], validate_choice=False)
    until = StringField("Last day it works")

    def validate_expires(self, field: Field) -> None:
        """One of the choices that were offered."""
        if field.data not in {life.value for life in lives()}:
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
