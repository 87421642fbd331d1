"""`latchkey user invite|admin`: who may come in, and who administers."""

import click

from cli.base import because, installation, json_option, moment, tell, user_of
from cli.users import group, invited, sparing_the_last
from latchkey.accounts.users import User
from latchkey.oversight import people
from latchkey.store import conflicts
from latchkey.store.session import db


@group.command("invite")
@click.argument("email")
@click.option("--admin", is_flag=True, help="As an administrator.")
@json_option
def invite(*, email: str, admin: bool) -> None:
    """Write to somebody, who chooses a name and a password by the link in the letter; it works for 7 days."""
    with installation():
        because(None)
        invitation = conflicts.again(lambda: invited(email, as_admin=admin))
        facts = {"id": invitation.id, "email": invitation.email, "admin": admin}
        tell(facts | {"expires_at": moment(invitation.expires_at)}, f"Invited {invitation.email}.")


@group.command("admin")
@click.argument("email")
@click.argument("state", type=click.Choice(["on", "off"]))
@json_option
def admin(email: str, state: str) -> None:
    """Let somebody administer this installation, or not any more."""
    with installation():
        because(None)
        user = conflicts.again(lambda: _appoint(email, on=state == "on"))
        said = "an administrator" if user.is_admin else "not an administrator"
        tell({"id": user.id, "email": user.email, "admin": user.is_admin}, f"{user.email} is {said}.")


def _appoint(email: str, *, on: bool) -> User:
    user = user_of(email)
    with sparing_the_last():
        people.appoint(user, on=on)
    db.commit()
    return user
