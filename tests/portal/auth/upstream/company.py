"""A company: a certified provider (oidc-provider), and a portal whose people sign in by it alone."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from latchkey.settings import Settings
from tests import programs, servers
from tests.servers import Server

SECRET = "a secret of the two & nobody else: 100%"


class Two(NamedTuple):
    """The upstream's address, and the portal."""

    issuer: str
    portal: Server


@contextlib.contextmanager
def company(tmp_path: Path, settings: Settings) -> Iterator[Two]:
    """Both, running."""
    port, here = servers.free_port(), servers.free_port()
    issuer, portal = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{here}"
    (tmp_path / "node_modules").symlink_to(programs.node_modules())
    (tmp_path / "oidc.mjs").write_text((Path(__file__).parent / "oidc.mjs").read_text())
    client = {
        "client_id": "portal",
        "client_secret": SECRET,
        "redirect_uris": [f"{portal}/login/oidc/callback"],
        "backchannel_logout_uri": f"{portal}/login/oidc/logout",
        "backchannel_logout_session_required": True,
        "scope": "openid email profile groups",
    }
    command = [str(programs.node()), "oidc.mjs", str(port), json.dumps(client)]
    with (tmp_path / "oidc.log").open("wb") as log:
        process = servers.start(command, signal.SIGTERM, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
        try:
            servers.wait_until(lambda: "ready" in (tmp_path / "oidc.log").read_text(), "oidc-provider")
            environment = {
                "LATCHKEY_DATABASE_URL": settings.database_url,
                "LATCHKEY_OIDC_ISSUER": issuer,
                "LATCHKEY_OIDC_CLIENT_ID": "portal",
                "LATCHKEY_OIDC_CLIENT_SECRET": SECRET,
                "LATCHKEY_OIDC_NAME": "Acme",
                "LATCHKEY_OIDC_GROUPS_CLAIM": "groups",
                "LATCHKEY_OIDC_ADMIN_GROUPS": "ops",
                "LATCHKEY_REQUIRE_SECOND_FACTOR": "nobody",
                "LATCHKEY_PASSWORDS": "off",
            }
            with servers.latchkey(settings.instance, port=here, forked=True, **environment) as server:
                yield Two(issuer, server)
        finally:
            servers.end(process, signal.SIGTERM)
