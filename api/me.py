"""GET and PATCH /v1/me: the user for whom a token acts."""

from api.kit import answers, auth, challenges, fields, problems
from api.kit.blueprint import blueprint
from api.kit.bodies import Body
from api.kit.describe import Operation, Shape, describe, flag, moment, text
from latchkey import clock, notices, texts
from latchkey.accounts import users
from latchkey.store.session import db
from latchkey.tokens import access
from latchkey.tokens.access import Bearer
from web import ahead, calls
from web.calls import Call, Reply
from web.encoding import quoted_as_is as quoted

USER = Shape(
    "User",
    {
        "id": text("Never changes."),
        "email": text("The address that mail goes to.", format="email"),
        "email_verified": flag("Whether the address was proved to be theirs."),
        "name": text("What the user is called."),
        "created_at": moment("When the account was made."),
        "updated_at": moment("When the record was last changed."),
    },
    {
        "id": "usr_01a2139af1f70000929f0f289854",
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada Lindqvist",
        "created_at": "2026-11-23T14:41:07.319609Z",
        "updated_at": "2026-11-23T14:41:07.319609Z",
    },
)
CHANGES = Body(
    "UserChanges",
    name=fields.line("What the user is called.", longest=users.LONGEST_NAME, example="Ada Lindqvist"),
)


def _written(user_id: str, *, email: str, name: str, verified: bool, created_at: str, updated_at: str) -> bytes:
    """It as JSON, put together by hand: no call is more frequent."""
    return (
        f'{{"id":"{user_id}","email":{quoted(email)},"email_verified":{"true" if verified else "false"},'
        f'"name":{quoted(name)},"created_at":"{created_at}","updated_at":"{updated_at}"}}'
    ).encode()


def record(caller: Bearer) -> bytes:
    """The user's record, from the facts that the guard read: no further statement. Raises `problems.Problem`."""
    user_id, email, name = caller.user_id, caller.email, caller.name
    created, updated = caller.user_created, caller.user_updated
    if user_id is None or email is None or name is None or created is None or updated is None:
        raise challenges.no_user()
    return _written(
        user_id,
        email=email,
        name=name,
        verified=caller.email_verified is not None,
        created_at=clock.told(created),
        updated_at=clock.told(updated),
    )


@blueprint.get("/v1/me")
@auth.require_scope("account:read", last=access.PERSON)
@calls.at_arrival
@ahead.foreseen(lambda environ: ahead.bearer(environ, access.PERSON))
@describe(Operation(summary="Show the user", group="Account", answer="The user's record.", shape=USER))
def show_me(call: Call) -> Reply:
    """The user's record."""
    return answers.shown(record(call.bearer))


@blueprint.patch("/v1/me")
@auth.require_scope("account:write")
@describe(
    Operation(
        summary="Change the user's name",
        group="Account",
        about="Only what is sent is changed. The address and the password are changed in the portal alone.",
        answer="The user's record as it is now.",
        shape=USER,
        body=CHANGES,
    )
)
def change_me(call: Call) -> Reply:
    """The user's record, changed."""
    auth.user_of(call.bearer)
    given = CHANGES.read()
    user = auth.writer(call.bearer).user
    if given.get("name", user.name) != user.name:
        try:
            users.rename(user, given["name"])
        except texts.BadText as bad:
            raise problems.wrong_fields({"name": str(bad)}) from None
        notices.renamed(user)
    db.commit()
    return answers.changed(
        _written(
            user.id,
            email=user.email,
            name=user.name,
            verified=user.verified,
            created_at=clock.rfc3339(user.created_at, "auto"),
            updated_at=clock.rfc3339(user.updated_at, "auto"),
        )
    )
