"""Headers by which a caller would be somebody else, or call something else, behind each gateway of the guide."""

import pytest

from tests.flows.gateways import Gateway
from tests.flows.test_nginx_guard import IDENTITY, PREFLIGHT, Stage, gateway, stage

__all__ = ["gateway", "stage"]
pytestmark = [pytest.mark.slow("starts a server and four gateways"), pytest.mark.standard("H-11")]
# What some frameworks take for the method and the path of a call, whatever it came with.
OTHERWISE = [
    (spelt, value)
    for name, value in (
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "DELETE"),
        ("X-Original-URL", "/projects/1"),
        ("X-Rewrite-URL", "/projects/1"),
    )
    for spelt in (name, name.lower(), name.replace("-", "_"), name.replace("-", "_", 1))
]


def names(reached: list[tuple[str, str]] | None) -> set[str]:
    """What the API saw, read as WSGI and CGI read names."""
    return {name.lower().replace("_", "-") for name, _ in reached or ()}


@pytest.mark.parametrize("path, method", [("/projects/1", "GET"), ("/public/hello", "GET"), ("/projects/1", "OPTIONS")])
def test_no_header_makes_another_call_of_one_that_passed(gateway: Gateway, stage: Stage, path: str, method: str):
    more = PREFLIGHT if method == "OPTIONS" else ()

    answer = gateway.call(path, *OTHERWISE, *more, method=method, token=stage.reader.plaintext)

    assert answer.status == 200
    assert names(answer.reached) & {name.lower() for name, _ in OTHERWISE} == set()


@pytest.mark.parametrize("hidden", [", ".join(IDENTITY), "close, x-auth-user-id", "keep-alive, X-Auth-Scope"])
def test_nobody_hides_who_calls(gateway: Gateway, stage: Stage, hidden: str):
    """Proxies take away what Connection names (RFC 9110 §7.6.1), which is not for the caller to say of these."""
    answer = gateway.call("/projects/1", ("Connection", hidden), token=stage.reader.plaintext)

    if answer.reached is None:
        assert answer.status == 400
    else:
        assert answer.saw("X-Auth-User-Id") == [stage.alice.id]
        assert answer.saw("X-Auth-Scope") == ["projects:read"]
        assert answer.saw("X-Auth-Token-Id") == [stage.reader.token.id]
