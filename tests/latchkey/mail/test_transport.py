"""The conversation with a mail server that wants encryption and a password."""

import dataclasses
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from latchkey import settings as settings_module
from latchkey.mail import outbox
from latchkey.mail.outbox import Delivery
from tests import smtp


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost that nobody trusts, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def deliver(app, db, certificate):
    """One letter through a server that insists on STARTTLS and a password."""

    def deliver_with(password: str) -> tuple[Delivery, smtp.Postman, str | None]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with smtp.server(tls=context) as server, app.app_context():
            ours = dataclasses.replace(
                settings_module.current(), mail_server="localhost", mail_port=server.port, mail_use_tls=True,
                mail_username="portal", mail_password=password,
            )  # fmt: skip
            settings_module.use(ours)
            outbox.configure(app)
            outbox.post("alice@example.com", "address_taken")
            db.commit()
            return outbox.deliver(), server, outbox.standing().trouble

    return deliver_with


def test_a_trusted_server_gets_password_and_letter(deliver, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    delivery, server, _ = deliver("right-password")

    assert delivery == Delivery(sent=1, failed=0)
    assert server.logins == [b"right-password"]


def test_a_server_that_cannot_prove_itself_gets_neither(deliver):
    delivery, server, trouble = deliver("right-password")

    assert delivery == Delivery(sent=0, failed=1)
    assert server.logins == []
    assert server.received == []
    assert "certificate verify failed" in trouble


def test_a_wrong_password_is_told_without_repeating_it(deliver, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    delivery, _, trouble = deliver("wrong-password")

    assert delivery == Delivery(sent=0, failed=1)
    assert trouble.startswith("535")
    assert "wrong-password" not in trouble
