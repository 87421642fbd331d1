"""POST /v1/credentials/revoke: for whoever finds credentials where they do not belong (I-10)."""

from datetime import timedelta

from api.kit import answers, fields, problems
from api.kit.auth import public
from api.kit.blueprint import blueprint
from api.kit.bodies import Body
from api.kit.describe import Operation, Shape, describe, text
from latchkey import origin
from latchkey.accounts import limits, throttle
from latchkey.accounts.throttle import TooMany
from latchkey.safety import leaks
from latchkey.store.session import commit_parts
from latchkey.values import Limit
from web.calls import Call, Reply

MOST = 1_000
PER_ADDRESS = (Limit(30, timedelta(minutes=1)), Limit(300, timedelta(hours=1)))
SAID = "Each of these that was live is revoked now, and its owner gets an e-mail."

FOUND = Body(
    "FoundCredentials",
    credentials=fields.strings(
        "Tokens of every kind and client secrets, each whole.",
        most=MOST,
        example=["lk_dev_0123456789abcdefghijklmnopqrst000000"],
    ),
)
ACCEPTED = Shape("Accepted", {"detail": text("The same, whatever was sent.")}, {"detail": SAID})


@blueprint.post("/v1/credentials/revoke")
@public
@describe(
    Operation(
        summary="Report leaked credentials",
        group="Leaked credentials",
        about="Needs no token: to hold a credential is enough to end it. Up to 1,000 at once.",
        status=202,
        answer="The same answer whether they were live or not.",
        shape=ACCEPTED,
        body=FOUND,
        also=(429,),
    )
)
def revoke_credentials(_call: Call) -> Reply:
    """End what was found; says nothing about what it was."""
    if wait := throttle.hit(*limits.of_network("report", origin.current.get().network, PER_ADDRESS)):
        raise problems.too_often(wait)
    found = FOUND.read()["credentials"]
    commit_parts(leaks.report_all(leaks.known(found)))
    try:
        for text in leaks.learned(found):
            commit_parts(leaks.report_all([text]))
    except TooMany as many:
        raise problems.too_often(many.wait) from None
    return answers.changed({"detail": SAID}, 202)
