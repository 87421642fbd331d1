"""Schemathesis calls the API as its description allows, and as it does not: no finding."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from latchkey import grants, throttle
from latchkey.db import db
from tests import factories
from tests.api.calls import caller
from tests.api.test_calls import CASES, called

SEED = 20261125
# A name must also be visible, printable and not the portal's own, and an address a safe one to lead people to: rules
# that no schema can say, so that some data that fits the schema is refused.
BEYOND_SCHEMAS = {"positive_data_acceptance"}
pytestmark = pytest.mark.slow

ROUNDS = [
    pytest.param(case, mode, id=f"{called(case)} {mode.value}")
    for case in CASES
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # A call that takes nothing leaves nothing to get wrong.
    if mode is GenerationMode.POSITIVE or case.path not in {"/v1/scopes", "/v1/openapi.json"}
]


@pytest.fixture
def described(app, alice, example_client, monkeypatch):
    """The description as Schemathesis reads it, and a token that may do everything."""
    monkeypatch.setattr(throttle, "hit", lambda *_counters: 0)
    grants.allow(alice, example_client.client, {"account:read"})
    factories.make_client(alice, name="Hers")
    db.commit()
    program = caller(app.test_client(), alice, description="Everything")
    return schemathesis.openapi.from_wsgi("/v1/openapi.json", app), program.plaintext


@pytest.mark.standard("O-06")
@pytest.mark.parametrize("asked, mode", ROUNDS)
def test_no_call_is_answered_otherwise_than_described(described, asked, mode):
    schema, token = described
    chosen = [check for check in CHECKS.get_all() if check.__name__ not in BEYOND_SCHEMAS]
    assert len(chosen) >= 10
    cases = schema[asked.path][asked.method].as_strategy(generation_mode=mode)

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
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=chosen)

    run()
