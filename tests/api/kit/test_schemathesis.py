"""Schemathesis calls the API as its description allows, and as it does not: no finding."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies

from api.kit.describe import REPEAT
from latchkey import grants
from latchkey.accounts import throttle
from latchkey.clients.keys import changing, sets
from latchkey.store.session import db
from tests import factories
from tests.api.calls import caller
from tests.api.test_calls import CASES, called

SEED = 20261125
KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
pytestmark = pytest.mark.slow("generates calls by the hundred")

ROUNDS = [
    pytest.param(case, mode, id=f"{called(case)} {mode}")
    for case in CASES
    for mode in ("positive", "negative")
    # A call that takes nothing leaves nothing to get wrong.
    if mode == "positive" or case.path not in {"/v1/scopes", "/v1/openapi.json"}
]


@pytest.fixture(scope="module")
def schemas():
    """Schemathesis, which takes half a second to load, once it is used."""
    import schemathesis

    # What no format of OpenAPI says: an address, or a range of them.
    schemathesis.openapi.format("ip-network", strategies.ip_addresses().map(str))
    return schemathesis


@pytest.fixture
def described(schemas, app, alice, example_client, monkeypatch):
    """The description as Schemathesis reads it, and a token that may do everything."""
    monkeypatch.setattr(throttle, "hit", lambda *_counters: 0)
    # That a key is a point of its curve, or stands at an address, no schema can say.
    monkeypatch.setattr(sets, "check", lambda _document: [KEY])
    monkeypatch.setattr(changing, "at", lambda _url, _person: changing.Wanted([KEY]))
    grants.allow(alice, example_client.client, {"account:read"})
    factories.make_client(alice, name="Hers")
    db.commit()
    # A token that another makes does no more and lives no longer than that one, which no schema can say either.
    program = caller(app.test_client(), alice, description="Everything", lifetime=None)
    return schemas.openapi.from_wsgi("/v1/openapi.json", app), program.plaintext


@pytest.mark.standard("O-06")
@pytest.mark.parametrize("asked, mode", ROUNDS)
def test_no_call_is_answered_otherwise_than_described(schemas, described, asked, mode):
    schema, token = described
    chosen = schemas.checks.CHECKS.get_all()
    assert len(chosen) >= 10
    cases = schema[asked.path][asked.method].as_strategy(generation_mode=schemas.GenerationMode(mode))

    @seed(SEED)
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def run(case):
        if mode == "positive" and REPEAT.name in (case.headers or {}):
            # A key that came before belongs to another request, which no schema can say.
            case.headers[REPEAT.name] = uuid4().hex
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=chosen)

    run()
