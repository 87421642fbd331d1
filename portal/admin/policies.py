"""The policies: settings that administrators change, and those that the environment or the file has fixed."""

from typing import NamedTuple

from flask import Response, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey import settings
from latchkey.oversight import policies
from latchkey.store.session import db
from latchkey.tokens import lifetimes
from portal.admin.guard import begin
from portal.blueprint import blueprint
from portal.guards import require_proof


class Entry(NamedTuple):
    """One policy as the page shows it; without choices it is typed, and empty is the default."""

    name: str
    label: str
    text: str
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def variable(self) -> str:
        """What it is called in the environment."""
        return settings.PREFIX + self.name.upper()


SECTIONS = (
    (
        "Tokens",
        (
            Entry("token_max_days", "Longest life", "In days. No token is made that works longer. Empty: no limit."),
            Entry(
                "approval_scopes",
                "Scopes that need approval",
                "Beside those that scopes.toml marks; separated by spaces. A token or app that asks for one waits.",
            ),
            Entry("token_default_days", "Preset life", "In days. What the form starts with. Empty: 90."),
        ),
    ),
    (
        "Signing in",
        (
            Entry(
                "signup",
                "Sign-up",
                "Who can make an account: open, invite, or mail domains separated by commas. Empty: open.",
            ),
            Entry(
                "require_second_factor",
                "Second factor required",
                "Who has none is led to set one up and reaches nothing else.",
                (
                    ("nobody", "Nobody"),
                    ("administrators", "Administrators, here"),
                    ("everybody", "Everybody"),
                ),
            ),
        ),
    ),
    (
        "Apps",
        (
            Entry(
                "apps",
                "Who may register apps",
                "In the portal and by the API. The command line registers them for anybody.",
                (("everybody", "Everybody"), ("administrators", "Administrators")),
            ),
            Entry(
                "document_hosts",
                "Hosts whose apps describe themselves",
                "With LATCHKEY_CLIENT_DOCUMENTS=listed: whose metadata documents are read; separated by spaces.",
            ),
            Entry(
                "client_documents",
                "Apps by document",
                "An app whose client id is a web address, as agents use it. “Listed” takes only the hosts below.",
                (("off", "Off"), ("listed", "Listed hosts"), ("open", "Any host")),
            ),
            Entry("document_hosts", "Listed hosts", "Such as app.example.com; separated by spaces."),
            Entry(
                "client_registration",
                "Apps that register themselves",
                "Without an owner, throttled, and swept when nobody uses them.",
                (("off", "Off"), ("open", "On")),
            ),
            Entry(
                "introspection",
                "Who may introspect tokens",
                "Marked apps are those that an administrator marked as resource servers.",
                (("any", "Any confidential app"), ("marked", "Marked apps only")),
            ),
        ),
    ),
)


# Of a field, what it held when the page was opened.
SHOWN = "was_"


def _page(
    form: FlaskForm,
    typed: dict[str, str],
    errors: dict[str, str],
    status: int = 200,
    shown: dict[str, str] | None = None,
) -> Response:
    in_force = settings.current()
    page = render_template(
        "portal/admin/policies/index.html",
        form=form,
        sections=SECTIONS,
        typed=typed,
        shown=shown,
        prefix=SHOWN,
        errors=errors,
        fixed=policies.fixed,
        in_force=lambda name: getattr(in_force, name, None),
        outliving=policies.outliving(lifetimes.longest()) if in_force.token_max_days else 0,
    )
    return Response(page, status)


@blueprint.get("/admin/policies")
def admin_policies() -> Response:
    """Each with its value, or that it is fixed."""
    return _page(FlaskForm(), policies.written(), {})


@blueprint.post("/admin/policies")
def save_policies() -> BaseResponse:
    """Store those that were changed on the page; they hold in every process within seconds."""
    form = FlaskForm()
    typed = {name: request.form[name] for name in (*policies.NAMES, *policies.LISTS) if name in request.form}
    shown = {name: request.form[SHOWN + name] for name in typed if SHOWN + name in request.form}
    require_proof()
    if not form.validate():
        return _page(form, typed, {}, 422, shown)
    begin()
    try:
        # What another administrator has changed since the page was opened stays, unless it was changed here, too.
        changed = policies.save({name: value for name, value in typed.items() if value != shown.get(name)})
    except policies.BadPolicies as bad:
        db.rollback()
        return _page(form, typed, dict(bad.errors), 422, shown)
    db.commit()
    policies.refresh()
    flash("Saved. It holds everywhere within seconds." if changed else "Nothing was changed.")
    return redirect(url_for("portal.admin_policies"), 303)
