import pytest
from sqlalchemy import text

from latchkey.store import migrations
from latchkey.store import session as database


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_healthy_process_says_so_in_one_word_and_without_a_cookie(client, path):
    answer = client.get(path)

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("stands_at", ["0001", "0026", "1000"], ids=["far behind", "behind", "another series"])
def test_another_migration_is_not_ready_but_alive(client, stands_at):
    with database.engines().write.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": stands_at})
    try:
        answer = client.get("/readyz")
        alive = client.get("/healthz")
    finally:
        with database.engines().write.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": migrations.head()})

    assert (answer.status_code, answer.text) == (503, "not ready\n")
    assert alive.status_code == 200


@pytest.mark.standard("A-10")
@pytest.mark.parametrize("url", ["sqlite:////nowhere/latchkey.db", "postgresql+psycopg://nobody@127.0.0.1:1/nothing"])
def test_a_database_that_does_not_answer_is_not_ready_and_gives_nothing_away(client, url):
    database.configure(url)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.text) == (503, "not ready\n")
    assert client.get("/healthz").status_code == 200


def test_an_empty_database_is_not_ready(client, empty_database):
    database.configure(empty_database)

    assert client.get("/readyz").status_code == 503
