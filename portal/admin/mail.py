"""Letters that wait, failed or were sent; never what is in them."""

from flask import Response, flash, redirect, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey import settings
from latchkey.mail import outbox
from latchkey.oversight import letters, listing
from latchkey.store.session import db
from portal.admin.guard import asked, begin
from portal.blueprint import blueprint
from web import htmx


@blueprint.get("/admin/mail")
def admin_mail() -> Response:
    """A page of the list, and how the outbox stands."""
    here = asked(listing.LETTERS, "ltr")
    return htmx.render(
        "portal/admin/mail/index.html",
        "portal/admin/mail/_panel.html",
        found=listing.letters(show=here.show, search=here.search, cursor=here.cursor),
        here=here,
        standing=outbox.standing(),
        server=settings.current().mail_server,
        port=settings.current().mail_port,
        form=FlaskForm(),
    )


@blueprint.post("/admin/mail/retry")
def retry_letters() -> BaseResponse:
    """Have those that were ticked tried at once."""
    begin()
    count = letters.retry(request.form.getlist("letter")[: letters.MOST])
    db.commit()
    flash(f"{count} {'letter is' if count == 1 else 'letters are'} tried again." if count else "None of them waits.")
    return redirect(url_for("portal.admin_mail"), 303)


@blueprint.post("/admin/mail/test")
def send_test_letter() -> BaseResponse:
    """A letter to oneself, to see whether letters arrive."""
    letters.send_test(begin())
    db.commit()
    flash("A letter to you is on its way.")
    return redirect(url_for("portal.admin_mail", show="waiting"), 303)
