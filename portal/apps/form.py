"""What the forms of new and existing apps have in common."""

from flask import request
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, SelectMultipleField, StringField

from latchkey import clients, scopes
from latchkey.clients import BadClient
from latchkey.naming import listed
from latchkey.scopes import Group, Scope
from portal.apps import pictures
from portal.fields import ticked

# The domain's names of what may be wrong, where the form has another one.
FIELDS = {"scopes": "scope", "optional_scopes": "optional"}


def offered(*, trusted: bool = False, ceiling: frozenset[str] | None = None) -> dict[Group, list[Scope]]:
    """The scopes that an app may ask for, by group: those that make credentials only if it is trusted (I-06)."""
    refused = frozenset() if trusted else scopes.CREDENTIAL
    within = (frozenset(scopes.catalogue()) if ceiling is None else ceiling) - refused
    allowed = {
        group: [scope for scope in members if scope.name in within] for group, members in listed.for_forms().items()
    }
    return {group: members for group, members in allowed.items() if members}


class AppForm(FlaskForm):
    """Name, homepage, logo and scopes; what is typed stays in the fields when something is wrong."""

    name = StringField("Name")
    homepage = StringField("Homepage")
    logo = FileField("Logo")
    scope = SelectMultipleField("Scopes", choices=[], validate_choice=False)
    device_flow = BooleanField("Sign in devices")
    optional = SelectMultipleField("Optional scopes", choices=[], validate_choice=False)

    trusted = False
    ceiling: frozenset[str] | None = None

    def addresses(self) -> list[str]:
        """Where the app leads people back to."""
        raise NotImplementedError

    def validate(self, extra_validators: object = None) -> bool:
        """Everything that the domain would refuse, each fault beside its field."""
        valid = super().validate()
        try:
            clients.check(
                self.name.data or "",
                (self.homepage.data or "").strip(),
                self.addresses(),
                self.scope.data or (),
                trusted=self.trusted,
                ceiling=self.ceiling,
                optional=self.optional.data or (),
            )
        except BadClient as bad:
            self.complain(bad)
            valid = False
        return self._read_logo() and valid

    def _read_logo(self) -> bool:
        self.picture: bytes | None = None
        if not self.logo.data:
            return True
        try:
            self.picture = pictures.square(self.logo.data.stream)
        except pictures.BadPicture as bad:
            self.logo.errors = [str(bad)]
            return False
        return True

    def complain(self, bad: BadClient) -> None:
        """Say beside each field what is wrong with it."""
        for name, message in bad.errors.items():
            self[FIELDS.get(name, name)].errors = [message]

    def wants_all(self) -> bool:
        """Whether “Select all scopes” was pressed, which without a script is a button; it ticks what is offered."""
        groups = offered(trusted=self.trusted, ceiling=self.ceiling).values()
        names = ticked(request.form.get("do"), groups, self.scope.data or ())
        if names is None:
            return False
        self.scope.data = names
        return True


class UriForm(FlaskForm):
    """One address."""

    uri = StringField("Redirect URI")
