"""/login/oidc/address/…: whoever came in upstream shows, by a letter, that the address is theirs (L-08)."""

from flask import make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm

from latchkey import settings
from latchkey.store.session import db
from latchkey.upstream import arrivals
from portal.auth import arrival
from portal.auth.upstream import asking, letters
from portal.blueprint import blueprint
from portal.guards import this_session


@blueprint.route("/login/oidc/address/<token>", methods=["GET", "POST"])
def show_address(token: str) -> ResponseReturnValue:
    """Opening the letter changes nothing: mail scanners do so too. Its button goes on, where the sign-in began."""
    waiting = letters.waiting(token)
    if waiting is None or waiting[0].issuer != settings.current().oidc_issuer:
        return render_template("portal/upstream/address_over.html"), 410
    person, next_path = waiting
    form = FlaskForm()
    if request.method != "POST" or not form.validate():
        return render_template("portal/upstream/address.html", form=form, email=person.email)
    here = this_session() if current_user.is_authenticated else None
    try:
        opened = arrivals.connect(person, here)
        letters.once(person)
        response = arrival.go_on(opened, next_path)
    except arrivals.FactorToShow as owed:
        return arrival.go_on(owed.step, request.path)
    except arrivals.NotLetIn as why:
        db.rollback()
        return render_template("portal/upstream/refused.html", why=str(why)), 403
    made = make_response(response)
    asking.forget(made, letters.COOKIE)
    return made
