"""What several forms have in common: rules for what people type about themselves, and how they show who they are."""

import re
from collections.abc import Callable, Iterable
from datetime import date
from hashlib import sha256
from typing import NamedTuple, TypeVar

from flask import session
from flask_wtf import FlaskForm
from flask_wtf.csrf import generate_csrf
from wtforms import Field, HiddenField, StringField, ValidationError

from latchkey import texts
from latchkey.accounts import challenges, emails, passkeys, passwords, users
from latchkey.accounts.challenges import Purpose
from latchkey.accounts.passkeys import Answer
from latchkey.accounts.users import User
from latchkey.naming import names
from latchkey.scopes import Scope

Value = TypeVar("Value")
ALL_OF = re.compile(r"all:([1-9]\d?)", re.ASCII)
NO_PASSKEY = "That passkey did not work here, or it took too long. Try again."
NO_CODE = "That code is not right, or it was used before."
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


def unless_touched(typed: Value, was: Value, now: Value) -> Value:
    """What a field comes to whose page had held `was`: as others have left it since, unless it was changed there."""
    return now if typed == was else typed


def boxes_touched(typed: Iterable[str], was: Iterable[str], now: Iterable[str]) -> list[str]:
    """The same of boxes: what was ticked or cleared on the page, on top of what others have done since."""
    ticked_now, ticked_then = frozenset(typed), frozenset(was)
    return sorted((frozenset(now) | ticked_now - ticked_then) - (ticked_then - ticked_now))


class Question(NamedTuple):
    """What a script hands to the browser, and does no more than that; and the challenge as the form carries it."""

    options: str
    sealed: str


def this_browser() -> str:
    """What challenges are bound to before anybody is signed in."""
    generate_csrf()
    return sha256(f"passkey {session['csrf_token']}".encode()).hexdigest()


def ask(purpose: Purpose, bound: str, user: User | None = None) -> Question | None:
    """A fresh question; None where there is no passkey that could answer it."""
    if user is not None and not passkeys.any_of(user):
        return None
    challenge = challenges.issue(purpose, bound)
    options = passkeys.to_use(challenge.random, user)
    return Question(options, challenge.sealed) if options is not None else None


def ask_to_register(bound: str, user: User) -> Question | None:
    """A fresh question for a new passkey; None where there can be none."""
    challenge = challenges.issue(Purpose.REGISTER, bound)
    options = passkeys.to_register(user, challenge.random)
    return Question(options, challenge.sealed) if options is not None else None


class PasskeyForm(FlaskForm):
    """What an authenticator answered, and the challenge that it was to sign."""

    credential = HiddenField()
    challenge = HiddenField()
    refusal = ""

    def answer(self, purpose: Purpose, bound: str) -> Answer | None:
        """What there is to check; None if nothing was sent, or its challenge does not count here and now."""
        random = challenges.read(self.challenge.data or "", purpose, bound)
        return Answer(self.credential.data, random) if self.credential.data and random is not None else None


class SecondFactorForm(PasskeyForm):
    """A passkey's answer, a code of the app, or a recovery code."""

    code = StringField("Code")

    def shown(self, purpose: Purpose, bound: str) -> str | Answer | None:
        """What there is to check."""
        if self.credential.data:
            return self.answer(purpose, bound)
        return self.code.data or None

    def refuse(self, left: int | None = None) -> None:
        """Say that it was not right, and how many tries are left where they are few."""
        if self.credential.data:
            self.refusal = NO_PASSKEY
        else:
            told = "" if left is None else f" {left} {'try' if left == 1 else 'tries'} left."
            self.code.errors = [NO_CODE + told if self.code.data else "Type a code."]
