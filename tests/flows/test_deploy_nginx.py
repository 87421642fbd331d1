"""The proxy of docs/deploy.md: TLS, whole requests, and a caller's own address in place of what it claims."""

import signal
import ssl
from pathlib import Path

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from latchkey.store.session import db
from tests import factories, programs, servers
from tests.flows import gateways, tls

pytestmark = pytest.mark.slow("starts nginx and a server")

HOST = "portal.example.com"
CONFIGURATION = servers.ROOT / "docs" / "deploy" / "nginx.conf"


class Here(HTTPAdapter):
    """Reaches the portal's name on this machine, and believes its certificate alone."""

    def __init__(self, pem: Path) -> None:
        self.context = ssl.create_default_context(cafile=str(pem))
        super().__init__()

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        options |= {"ssl_context": self.context, "server_hostname": HOST, "assert_hostname": HOST}
        self.poolmanager = urllib3.PoolManager(**options)


@pytest.fixture
def proxy(settings, tmp_path):
    """Ports of http and https, and what asks there."""
    plain, secure, pem = servers.free_port(), servers.free_port(), tls.certificate(tmp_path, HOST)
    environment = {
        "LATCHKEY_DATABASE_URL": settings.database_url,
        "LATCHKEY_BASE_URL": f"https://{HOST}",
        "LATCHKEY_MODE": "production",
        "LATCHKEY_TRUSTED_PROXIES": "1",
    }
    with servers.latchkey(settings.instance, forked=True, **environment) as server:
        text = CONFIGURATION.read_text().replace("127.0.0.1:5000", server.url.removeprefix("http://"))
        for port, ours in ((80, plain), (443, secure)):
            text = text.replace(f"listen {port}", f"listen 127.0.0.1:{ours}").replace(f"listen [::]:{port}", "#")
        for name in ("fullchain", "privkey"):
            text = text.replace(f"/etc/letsencrypt/live/{HOST}/{name}.pem", str(pem))
        command = [str(programs.nginx()), *gateways.nginx(text, plain, tmp_path)]
        process = servers.start(command, signal.SIGQUIT)
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", Here(pem))
        try:
            servers.wait_until(lambda: servers.listens(secure), "nginx")
            yield session, f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}"
        finally:
            servers.end(process, signal.SIGQUIT)


@pytest.mark.standard("A-02", "A-03", "A-07", "I-12")
def test_the_guides_proxy_speaks_tls_and_believes_no_address_that_a_caller_claims(proxy, alice):
    session, plain, secure = proxy
    bound = factories.make_token(alice, addresses=["203.0.113.0/24"]).plaintext
    here = factories.make_token(alice, addresses=["127.0.0.0/8"]).plaintext
    db.commit()

    def ask(path, **headers):
        return session.get(f"{secure}{path}", headers={"Host": HOST} | headers, timeout=60, allow_redirects=False)

    moved = session.get(f"{plain}/login?x=1", headers={"Host": HOST}, timeout=60, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (308, f"https://{HOST}/login?x=1")

    page = ask("/login")
    assert page.status_code == 200
    assert "__Host-latchkey" in page.headers["Set-Cookie"]
    assert "max-age" in page.headers["Strict-Transport-Security"]

    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example", "Forwarded": "for=203.0.113.9"}
    assert ask("/v1/me", Authorization=f"Bearer {bound}", **claims).status_code == 401
    assert ask("/v1/me", Authorization=f"Bearer {here}", **claims).status_code == 200
    assert "evil.example" not in ask("/.well-known/oauth-authorization-server", **claims).text
    assert ask("/metrics").status_code == 404

    form = {"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"}
    huge = session.post(f"{secure}/oauth/token", data="x" * 3_000_000, headers=form, timeout=60)
    assert huge.status_code == 413
