"""`latchkey mail send`: what waits goes out, or one line says why not."""

import json

from latchkey.mail import outbox
from tests import factories, servers, smtp


def post(app, db, *readers: str) -> None:
    with app.app_context():
        for reader in readers:
            outbox.post(reader, "address_taken")
        db.commit()


def test_what_waits_is_sent_once(app, db, cli, mailbox):
    post(app, db, "alice@example.com", "bob@example.com")

    assert cli.json("mail", "send") == {"sent": 2, "failed": 0, "waiting": 0}
    assert cli.json("mail", "send") == {"sent": 0, "failed": 0, "waiting": 0}
    assert len(mailbox.letters()) == 2


def test_a_dead_server_is_told_and_nothing_is_lost(app, db, cli):
    post(app, db, "alice@example.com", "bob@example.com")

    result = cli("mail", "send", "--json", mail_server="127.0.0.1", mail_port=str(servers.free_port()))

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"sent": 0, "failed": 1, "waiting": 2}
    assert result.stderr == "latchkey: 1 could not be sent: Connection refused\n"
    with smtp.server() as server:
        answer = cli.json("mail", "send", mail_server="127.0.0.1", mail_port=str(server.port))
    assert answer == {"sent": 2, "failed": 0, "waiting": 0}


def test_it_sends_what_a_command_posted(cli, alice, mailbox):
    factories.make_token(alice)
    cli.json("token", "create", "--user", "alice@example.com", "--description", "x", "--scope", "account:read")

    assert cli("mail", "send").stdout == "1 sent, 0 waiting.\n"
