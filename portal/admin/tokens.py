"""Everybody's developer tokens and authorizations, and ending one."""

from flask import Response, abort, flash, redirect, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import texts
from latchkey.oversight import keys, listing
from latchkey.store.session import db
from portal.admin.guard import Doing, Question, asked, begin
from portal.blueprint import blueprint
from portal.guards import asked_next
from web import htmx

REVOKE = Doing(
    "Revoke “{name}”?", "It stops working at once, with all that it made, and cannot be restored.", "Revoke token",
    danger=True, reasoned=True,
)  # fmt: skip
WITHDRAW = Doing(
    "Revoke the access of “{name}”?", "Every sign-in of this app for this person ends. The app may ask again.",
    "Revoke access", danger=True, reasoned=True,
)  # fmt: skip


@blueprint.get("/admin/tokens")
def admin_tokens() -> Response:
    """A page of the list; never a token."""
    here = asked(listing.TOKENS, "tok")
    found = listing.tokens(show=here.show, search=here.search, cursor=here.cursor)
    page, panel = "portal/admin/tokens/index.html", "portal/admin/tokens/_panel.html"
    return htmx.render(page, panel, found=found, here=here)


@blueprint.route("/admin/tokens/<id:token_id>/revoke", methods=["GET", "POST"])
def end_token(token_id: str) -> BaseResponse:
    """Asks first, with the reason; then the token is dead, and its owner is told."""
    token = keys.find_token(token_id) or abort(404)
    owner = token.user or (token.grant.client.owner if token.grant else None) or abort(404)
    back = asked_next() or url_for("portal.admin_tokens")
    question = Question(REVOKE, name=keys.name(token), reader=owner.name, back=back)
    if not question.agreed():
        return question.page()
    begin(question.reason, over=token.user_id)
    new = keys.revoke(token)
    db.commit()
    flash(f"Revoked “{texts.apart(keys.name(token))}”." if new else "It had ended already.")
    return redirect(back, 303)


@blueprint.get("/admin/authorizations")
def admin_authorizations() -> Response:
    """A page of the list."""
    here = asked(("",), "ath")
    found = listing.authorizations(search=here.search, cursor=here.cursor)
    page, panel = "portal/admin/authorizations/index.html", "portal/admin/authorizations/_panel.html"
    return htmx.render(page, panel, found=found, here=here)


@blueprint.route("/admin/authorizations/<id:authorization_id>/withdraw", methods=["GET", "POST"])
def end_authorization(authorization_id: str) -> BaseResponse:
    """Asks first, with the reason; then the app acts for this person no more, and they are told."""
    authorization = keys.find_authorization(authorization_id) or abort(404)
    back, name = asked_next() or url_for("portal.admin_authorizations"), authorization.client.name
    question = Question(WITHDRAW, name=name, reader=authorization.user.name, back=back)
    if not question.agreed():
        return question.page()
    begin(question.reason, over=authorization.user_id)
    new = keys.withdraw(authorization)
    db.commit()
    flash(
        f"“{texts.apart(name)}” acts for {texts.apart(authorization.user.name)} no more."
        if new
        else "It had ended already."
    )
    return redirect(back, 303)
