"""Administrators only: for everybody else there is nothing here. And how they act: with a reason, under their name."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from flask import Response, abort, redirect, render_template, request, url_for
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, TextAreaField, ValidationError

from latchkey import ids, origin, texts
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.clients import LONGEST_REASON
from latchkey.origin import Actor, Doer
from latchkey.safety import lockdown
from latchkey.store.session import db
from portal import drafts
from portal.blueprint import blueprint
from portal.guards import acting_user, owes_setup, require_proof, this_user, to_set_up, to_verification

PLACE = "/admin"
LONGEST_SEARCH = 120


# By which pages lead there; by a group of theirs only while the upstream says so, whoever let this browser in.
blueprint.add_app_template_global(identities.administers, "administers")


@blueprint.app_url_value_preprocessor
def for_administrators_alone(_endpoint: str | None, _values: dict[str, object] | None) -> None:
    """404 for everybody else, before anything is looked at: a new page below `/admin` cannot forget it."""
    if not (request.path == PLACE or request.path.startswith(f"{PLACE}/")):
        return
    if not current_user.is_authenticated or not identities.administers(this_user()):
        abort(404)
    if this_user().needs_password:
        abort(redirect(url_for("portal.end_everything"), 303))
    if not this_user().verified:
        # Whoever signed up with the address that was made an administrator may be somebody else.
        abort(to_verification())
    if owes_setup(to_administer=True):
        abort(to_set_up())


class ActForm(FlaskForm):
    """Why it is done; the owner and the other administrators read it."""

    reason = TextAreaField("Reason")
    # By what the page told is known again.
    read = HiddenField()

    def validate_reason(self, field: Field) -> None:
        """One line, if anything."""
        if not (field.data or "").strip():
            field.data = ""
            return
        try:
            field.data = texts.line(" ".join(field.data.split()), LONGEST_REASON)
        except texts.BadText as bad:
            raise ValidationError(str(bad)) from None


class Doing(NamedTuple):
    """What an act is called and does, in words with the name of what it is done to."""

    title: str
    text: str
    button: str
    danger: bool = False
    # Whether the owner must be told why.
    reasoned: bool = False
    # Whether whoever does it vouches for what they have looked at.
    vouches: bool = False


# What an act is about, as it was read before it was done: each with its lines.
Facts = Sequence[tuple[str, Sequence[str]]]
CHANGED = "This was changed while the page was open. Look again before you answer."


def begin(reason: str | None = None, over: str | None = None) -> User:
    """From here on it is this administrator who acts, if they are one still; their account is locked.

    So is the user whom they act `over`, by their id: nobody locks one and then the other (conflicts).
    """
    if over is not None:
        lockdown.hold(over)
    user = acting_user()
    if not identities.administers(user):
        abort(404)
    origin.act(Actor(Doer.ADMINISTRATOR, user.id, user.name, reason or ""))
    return user


class Question:
    """An act that is asked about before it is done, with the reason. `reader` is who reads that."""

    def __init__(self, doing: Doing, *, name: str, reader: str, back: str, facts: Facts = ()) -> None:
        self._doing, self._name, self._reader, self.back = doing, name, reader, back
        self._form, self._facts = ActForm(**drafts.filling()), facts

    @property
    def reason(self) -> str:
        """Why it is done; empty where nobody has to be told."""
        reason: str = self._form.reason.data or ""
        return reason

    def agreed(self) -> bool:
        """Whether the form was sent and gives the reason that is needed. Raises `ProofAsked`."""
        require_proof()
        if request.method != "POST" or not self._form.validate():
            return False
        if self._doing.reasoned and not self.reason:
            self._form.reason.errors = ["Write why. The owner reads it, and so do the other administrators."]
            return False
        return True

    def still(self, name: str, facts: Facts) -> bool:
        """Whether what is stored now, and nobody else changes meanwhile, is what was read when this was agreed to."""
        self._name, self._facts = name, facts
        return self._form.read.data == self._mark()

    def _mark(self) -> str:
        return sha256(repr((self._name, self._facts)).encode()).hexdigest()

    def page(self, status: int | None = None) -> Response:
        """The page that asks: what will happen, and why it is done."""
        self._form.read.data = self._mark()
        page = render_template(
            "portal/admin/act.html",
            form=self._form,
            doing=self._doing,
            title=self._doing.title.format(name=texts.apart(self._name)),
            reader=texts.apart(self._reader),
            back=self.back,
            facts=self._facts,
        )
        return Response(page, status or (422 if self._form.errors else 200))

    def refused(self, why: str) -> Response:
        """The page again, with what speaks against it; nothing is done."""
        db.rollback()
        self._form.reason.errors = [why]
        return self.page(409)


class Asked(NamedTuple):
    """What a list is asked for by its address."""

    show: str
    search: str
    sort: str
    cursor: str | None


def asked(shows: tuple[str, ...], prefix: str, sorts: tuple[str, ...] = ("",)) -> Asked:
    """What the address of this list asks for; 404 for what no link of ours leads to."""
    show, sort = request.args.get("show", shows[0]), request.args.get("sort", sorts[0])
    cursor = request.args.get("cursor") or None
    search = request.args.get("q", "").strip()
    if show not in shows or sort not in sorts or (cursor and not ids.is_id(cursor, prefix)):
        abort(404)
    if search:
        try:
            search = texts.line(search, LONGEST_SEARCH)
        except texts.BadText:
            abort(404)
    return Asked(show, search, sort, cursor)
