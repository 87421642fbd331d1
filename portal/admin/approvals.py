"""What waits for an administrator: tokens and apps that ask for scopes which need approval."""

from collections.abc import Sequence

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from latchkey import scopes
from latchkey.clients import Client
from latchkey.oversight import approval, keys
from latchkey.oversight.approval import Waiting
from latchkey.scopes import Scope
from latchkey.store.session import db
from latchkey.tokens import Token
from portal import drafts
from portal.admin.guard import ActForm, begin
from portal.blueprint import blueprint
from portal.guards import require_proof, this_user

ANSWERS = ("approve", "refuse")
VERBS = {"tokens": approval.decide_token, "apps": approval.decide_client}
OWN = "Nobody decides about what they ask for themselves. Another administrator has to."
CHANGED = "What is asked for was changed while the page was open. Look again before you answer."
# Beyond so many the menu says that there are more.
MOST_TOLD = 99
WHY = "Write why it is refused: the owner reads it."


def _page(form: ActForm | None = None, about: str = "", status: int = 200) -> Response:
    found = approval.waiting()
    if form is None:
        about, kept = _kept(found)
        form = ActForm(formdata=kept)
    page = render_template(
        "portal/admin/approvals/index.html",
        form=form,
        about=about,
        tokens=found.tokens,
        apps=found.apps,
        more=found.more,
        me=this_user().id,
        asked=_asked,
    )
    return Response(page, status)


def _kept(found: Waiting) -> tuple[str, MultiDict[str, str] | None]:
    """Which of them was answered before fresh proof was asked for, and how."""
    listed: dict[str, Sequence[Token | Client]] = {"tokens": found.tokens, "apps": found.apps}
    for kind, waiting in listed.items():
        for each in waiting:
            if answer := drafts.typed(url_for("portal.decide", kind=kind, request_id=each.id)):
                return each.id, answer
    return "", None


def _asked(holder: Token | Client) -> list[Scope]:
    wanted = approval.asked_by(holder)
    return [scope for name, scope in scopes.catalogue().items() if name in wanted]


@blueprint.app_template_global()
def requests_that_wait() -> tuple[int, bool]:
    """For the menu of the administrators: how many requests wait, as far as it tells, and whether there are more."""
    found = approval.count(MOST_TOLD + 1)
    return min(found, MOST_TOLD), found > MOST_TOLD


@blueprint.get("/admin/approvals")
def admin_approvals() -> Response:
    """The requests, each owner's longest first."""
    return _page()


@blueprint.post("/admin/approvals/<any(tokens,apps):kind>/<id:request_id>")
def decide(kind: str, request_id: str) -> BaseResponse:
    """Approve or refuse one; its owner is told, with the reason."""
    form, answer = ActForm(), request.form.get("do")
    if answer not in ANSWERS:
        abort(404)
    require_proof()
    if not form.validate():
        return _page(form, request_id, 422)
    if answer == "refuse" and not form.reason.data:
        form.reason.errors = [WHY]
        return _page(form, request_id, 422)
    token = keys.find_token(request_id) if kind == "tokens" else None
    by = begin(form.reason.data, over=token.user_id if token is not None else None)
    shown = frozenset(request.form.getlist("scope"))
    try:
        VERBS[kind](request_id, by=by, approve=answer == "approve", shown=shown)
    except (approval.OwnRequest, approval.Changed) as refused:
        db.rollback()
        form.reason.errors = [OWN if isinstance(refused, approval.OwnRequest) else CHANGED]
        return _page(form, request_id, 409)
    except approval.NothingWaits:
        db.rollback()
        flash("Nothing waits there any more.")
    else:
        db.commit()
        flash("Approved." if answer == "approve" else "Refused.")
    return redirect(url_for("portal.admin_approvals"), 303)
