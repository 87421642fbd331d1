"""What people choose on a consent screen, and why one is shown to them once more."""

from flask import request

from latchkey import grants
from latchkey.grants import Choice

CHANGED = "This app was changed while the page was open. Look again before you answer."
TAKEN_BACK = "You took something back from this app while the page was open. Look again before you answer."
NOTHING = "You unticked everything. Leave at least one permission, or cancel."


def chosen(optional: frozenset[str], offered: frozenset[str]) -> Choice:
    """The scopes that the user granted (the optional ones that stayed ticked, and all others), and for how long."""
    unticked = optional - frozenset(request.form.getlist("scope"))
    return Choice(offered - unticked, offered & unticked, grants.until(request.form.get("lasts", "")))
