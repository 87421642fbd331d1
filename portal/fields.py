"""Rules for what people type about themselves, worded by the domain and shown beside the field."""

import re
from collections.abc import Callable, Iterable
from datetime import date

from flask_wtf import FlaskForm
from wtforms import Field, ValidationError

from latchkey import texts
from latchkey.accounts import emails, passwords, users
from latchkey.naming import names
from latchkey.scopes import Scope

ALL_OF = re.compile(r"all:([1-9]\d?)", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def day(text: str | None) -> date | None:
    """The day of a date field; None for anything else."""
    try:
        return date.fromisoformat(text) if text and DAY.fullmatch(text) else None
    except ValueError:
        return None


class Name:
    """A person's name, which only an administrator's may pass for the operator's; `ours` tells whether it is one's."""

    def __init__(self, *, ours: Callable[[], bool] = lambda: False) -> None:
        self.ours = ours

    def __call__(self, form: FlaskForm, field: Field) -> None:
        try:
            field.data = names.check(field.data, users.LONGEST_NAME, ours=self.ours())
        except texts.BadText as bad:
            raise ValidationError(str(bad)) from None


class Address:
    """An e-mail address that mail could reach."""

    def __call__(self, form: FlaskForm, field: Field) -> None:
        try:
            field.data = emails.address(field.data)
        except emails.InvalidEmail as bad:
            raise ValidationError(str(bad)) from None


class NewPassword:
    """What may become a password; `known` gives the words that a guesser would try first."""

    def __init__(self, known: Callable[[FlaskForm], tuple[str, ...]]) -> None:
        self.known = known

    def __call__(self, form: FlaskForm, field: Field) -> None:
        try:
            passwords.check(field.data, known=self.known(form))
        except passwords.WeakPassword as weak:
            raise ValidationError(str(weak)) from None


def ticked(do: str | None, groups: Iterable[Iterable[Scope]], chosen: Iterable[str]) -> list[str] | None:
    """What a button for all scopes, or for all of one group, ticks; None: it was another. For those without script.

    The groups are as the form shows them, counted from one.
    """
    members = [[scope.name for scope in group] for group in groups]
    if do == "select-all":
        return [name for group in members for name in group]
    which = ALL_OF.fullmatch(do or "")
    if which is None or int(which[1]) > len(members):
        return None
    return list(dict.fromkeys([*chosen, *members[int(which[1]) - 1]]))
