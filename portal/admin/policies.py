"""The policies: settings that administrators change, and those that the environment or the file has fixed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from flask import Response, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey import settings
from latchkey.oversight import policies
from latchkey.store.session import db
from latchkey.tokens import lifetimes
from portal import drafts
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
    (
        "Words and links",
        (
            Entry(
                "brand_tagline",
                "Tagline",
                "The sentence of the page for whoever is signed out. Empty: the built-in one.",
            ),
            Entry(
                "api_docs_url", "API documentation", "Your own API’s reference, as https://…; the guides lead to it."
            ),
            Entry("links", "Links", "At the foot of pages and letters, such as Terms=https://…,Privacy=https://…"),
            Entry(
                "operator_guides",
                "Guides about protecting an API",
                "Who sees them. They are for whoever runs APIs behind this portal.",
                (("everybody", "Everybody"), ("administrators", "Administrators")),
            ),
        ),
    ),
)


# Of a field, what it held when the page was opened.
SHOWN = "was_"


class Sent(NamedTuple):
    """What was typed, and what each field had held when the page was opened; None on a page that is opened now."""

    typed: Mapping[str, str]
    shown: Mapping[str, str] | None = None

    @property
    def changes(self) -> dict[str, str]:
        """What another administrator has changed since then stays, unless it was changed here, too."""
        shown = self.shown or {}
        return {name: value for name, value in self.typed.items() if value != shown.get(name)}


def _page(
    form: FlaskForm,
    sent: Sent,
    errors: Mapping[str, str] = MappingProxyType({}),
    status: int = 200,
) -> Response:
    in_force = settings.current()

    def told(name: str) -> object:
        if name == "links":
            return ",".join(map("=".join, in_force.links))
        return getattr(in_force, name, None)

    page = render_template(
        "portal/admin/policies/index.html",
        form=form,
        sections=SECTIONS,
        typed=sent.typed,
        shown=sent.shown,
        prefix=SHOWN,
        errors=errors,
        fixed=policies.fixed,
        in_force=told,
        outliving=policies.outliving(lifetimes.longest()) if in_force.token_max_days else 0,
    )
    return Response(page, status)


@blueprint.get("/admin/policies")
def admin_policies() -> Response:
    """Each with its value, or that it is fixed."""
    kept = drafts.typed()
    if kept is None:
        return _page(FlaskForm(), Sent(policies.written()))
    # Fresh proof was asked for in between: what was typed, and what the page had shown then.
    return _page(FlaskForm(formdata=None), _sent(kept))


def _sent(fields: Mapping[str, str]) -> Sent:
    typed = {name: fields[name] for name in (*policies.NAMES, *policies.LISTS) if name in fields}
    return Sent(typed, {name: fields[SHOWN + name] for name in typed if SHOWN + name in fields})


@blueprint.get("/admin/policies/theme")
def preview_theme() -> Response:
    """How pages look with another accent, by day and by night, before it is set."""
    accent = request.args.get("accent", "").strip() or settings.current().brand_accent
    try:
        settings.parse("brand_accent", accent)
    except settings.SettingError:
        page = render_template("portal/admin/policies/theme.html", accent=settings.current().brand_accent, bad=True)
        return Response(page, 422)
    return Response(render_template("portal/admin/policies/theme.html", accent=accent.lower(), bad=False))


@blueprint.post("/admin/policies")
def save_policies() -> BaseResponse:
    """Store those that were changed on the page; they hold in every process within seconds."""
    form, sent = FlaskForm(), _sent(request.form)
    require_proof()
    if not form.validate():
        return _page(form, sent, status=422)
    begin()
    try:
        changed = policies.save(sent.changes)
    except policies.BadPolicies as bad:
        db.rollback()
        return _page(form, sent, bad.errors, 422)
    db.commit()
    policies.refresh()
    flash("Saved. It holds everywhere within seconds." if changed else "Nothing was changed.")
    return redirect(url_for("portal.admin_policies"), 303)
