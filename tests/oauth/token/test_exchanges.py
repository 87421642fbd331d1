"""What is used up and what is inserted for it are there together or not at all."""

import pytest
from sqlalchemy import text

from latchkey.store.session import db, engines
from latchkey.tokens import Token
from latchkey.tokens.issued import issuing
from tests.oauth import dance


@pytest.mark.standard("C-06")
@pytest.mark.parametrize("how", ["code", "refresh"])
def test_what_meets_a_fault_is_not_used_up(signed_in, caller, example_client, monkeypatch, how):
    taken = dance.tokens(signed_in, example_client)
    code, token_id = dance.code(signed_in, example_client), db.query(Token.id).limit(1).scalar()
    db.remove()

    def use():
        if how == "code":
            return dance.redeem(caller, example_client, code)
        return dance.refresh(caller, example_client, taken["refresh_token"])

    with monkeypatch.context() as broken:
        broken.setattr(issuing, "new_id", lambda _kind: token_id)
        caller.application.testing = False
        assert use().status_code == 500

    assert use().status_code == 200


def test_connections_that_the_server_ended_meanwhile_are_not_written_by(signed_in, caller, example_client):
    for _ in range(2):
        code = dance.code(signed_in, example_client)
        if not engines().embedded:
            with engines().read.connect() as connection:
                others = "pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user"
                connection.execute(text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}"))

        answer = dance.redeem(caller, example_client, code)

        assert answer.status_code == 200, answer.text
