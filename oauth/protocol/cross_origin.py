"""Which pages of other origins may read our answers: those of public apps, and everybody where nothing is secret."""

from collections.abc import Callable
from functools import partial, wraps

from latchkey import clients
from oauth.protocol import parameters
from web.calls import Call, Later, Reply

PREFLIGHT_SECONDS = "600"
VARIES = ("Vary", "Origin")
EVERYBODY = ("Access-Control-Allow-Origin", "*")


def for_apps(view: Callable[[Call], Reply | Later]) -> Callable[[Call], Reply | Later]:
    """The answer may be read by pages of the app that asks, without cookies."""

    @wraps(view)
    def answer(call: Call) -> Reply | Later:
        reply = view(call)
        if "HTTP_ORIGIN" not in call.environ:
            return reply
        return _told(call, reply) if isinstance(reply, Reply) else partial(_finished, call, reply)

    return answer


def _finished(call: Call, rest: Later) -> Reply:
    return _told(call, rest())


def _told(call: Call, reply: Reply) -> Reply:
    origin = call.environ["HTTP_ORIGIN"]
    client = clients.find(parameters.loosely(call).get("client_id", ""))
    headers = [*reply.headers, VARIES]
    if client is not None and client.speaks_from(origin):
        headers.append(("Access-Control-Allow-Origin", origin))
        headers.append(("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id"))
    return reply._replace(headers=headers)


def preflight(call: Call) -> Reply:
    """The answer to a browser that asks beforehand."""
    origin, headers = call.header("Origin") or "", [VARIES]
    # D-14; a preflight does not say whose page it is.
    if clients.any_speaks_from(origin):
        headers += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Methods", "POST"),
            ("Access-Control-Allow-Headers", "Content-Type, Accept"),
            ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
        ]
    return Reply(204, b"", headers, [])
