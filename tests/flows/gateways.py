"""Gateways started from the very files that operators get, in front of an API that says what reached it."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from latchkey import gateways
from latchkey.resources import Resource
from tests import programs, servers

# Whom gateways trust to know servers, as the files name it.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
API = f"{gateways.API_NAME}:{gateways.API_PORT}"


class Answer(NamedTuple):
    """What the caller got; `reached` and `path` are what the API saw, None if it was not asked."""

    status: int
    challenges: list[str]
    headers: list[tuple[str, str]]
    reached: list[tuple[str, str]] | None
    path: str | None
    body: bytes = b""

    def saw(self, name: str) -> list[str]:
        """The values under which the API saw a header, read as WSGI and CGI read names."""
        assert self.reached is not None
        return [value for seen, value in self.reached if seen.lower().replace("_", "-") == name.lower()]


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        status = 403 if self.path.startswith("/projects/forbidden") else 200
        body = json.dumps(self.headers.items()).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        # The library's own has one slash where it begins with several.
        self.send_header("X-Path-Seen", self.requestline.split()[1])
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def api() -> Iterator[str]:
    """The API behind the gateway: its address. It answers with the headers that it got."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _find(name: str) -> Path | None:
    """Beside this Python, where packages bring Traefik and Envoy, else the system's."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{programs.SYSTEM}")
    return Path(found) if found else None


def nginx(text: str, port: int, folder: Path) -> list[str]:
    """Its arguments for what stands within `http`, listening on a port of this machine alone."""
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    kept = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    alone = f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}"
    (folder / "nginx.conf").write_text(f"{alone} http {{ access_log off; {kept}\n{text}\n}}\n")
    return ["-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _caddy(text: str, port: int, folder: Path) -> list[str]:
    text = re.sub(r"^(\w+\.example\.com) {", rf"http://\1:{port} {{", text, flags=re.MULTILINE)
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{text}")
    return ["run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def _envoy(text: str, port: int, folder: Path) -> list[str]:
    text = text.replace("address: 0.0.0.0, port_value: 80 ", f"address: 127.0.0.1, port_value: {port} ")
    (folder / "envoy.yaml").write_text(text)
    return ["-c", str(folder / "envoy.yaml"), "--log-level", "warning", "--concurrency", "1", "--disable-hot-restart"]


def _traefik(text: str, port: int, folder: Path) -> list[str]:
    # By the name traefik.yml it would be read as what Traefik itself starts with.
    (folder / "api.yml").write_text(text)
    return [
        f"--providers.file.filename={folder / 'api.yml'}",
        f"--entrypoints.web.address=127.0.0.1:{port}",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=WARN",
    ]


class Kind(NamedTuple):
    """How one gateway is found and started."""

    program: str
    file: str
    stop: signal.Signals
    prepare: Callable[[str, int, Path], list[str]]

    def written(self, latchkey: str, behind: Iterable[Resource]) -> str:
        """The file as operators get it, for a Latchkey at this address, in front of these APIs or of the example."""
        return gateways.text(gateways.find(self.file), latchkey, behind)


KINDS = {
    "nginx": Kind("nginx", "nginx.conf", signal.SIGQUIT, nginx),
    "Traefik": Kind("traefik", "traefik.yml", signal.SIGTERM, _traefik),
    "Caddy": Kind("caddy", "Caddyfile", signal.SIGTERM, _caddy),
    "Envoy": Kind("envoy", "envoy.yaml", signal.SIGTERM, _envoy),
}


def _behind(text: str, behind: str) -> str:
    """The file for an API that listens elsewhere than the guide's."""
    assert API in text or API.replace(":", ", port_value: ") in text
    for api in (API, f"{gateways.API_NAME}:{gateways.API_PORT + 1}"):
        text = text.replace(api, behind)
        text = text.replace(*(address.replace(":", ", port_value: ") for address in (api, behind)))
    return text


class Gateway:
    """A running gateway."""

    def __init__(self, port: int) -> None:
        self.port = port

    def answers(self) -> bool:
        """Whether it listens and has read its file; until then Traefik knows no path."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.call("/projects/").status == 401
        return False

    def call(
        self,
        path: str,
        *headers: tuple[str, str],
        method: str = "GET",
        token: str | None = None,
        host: str = "api.example.com",
        source: str = "127.0.0.1",
    ) -> Answer:
        """One request, with headers exactly as given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(source, 0))
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        authorization = [("Authorization", f"Bearer {token}")] if token else []
        for name, value in [("Host", host), *authorization, *headers]:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        connection.close()
        path = response.getheader("X-Path-Seen")
        reached = json.loads(body or "[]") if path is not None else None
        return Answer(
            response.status,
            response.headers.get_all("WWW-Authenticate", []),
            response.getheaders(),
            reached,
            path,
            body,
        )


def find(name: str) -> Path | None:
    """The gateway's program, if this machine has it."""
    return _find(KINDS[name].program)


@contextlib.contextmanager
def run(
    name: str,
    latchkey: str,
    behind: str,
    folder: Path,
    authorities: Path = AUTHORITIES,
    *,
    apis: Iterable[Resource] = (),
) -> Iterator[Gateway]:
    """The gateway with its file from the guide, between callers and the API that is `behind`, or these APIs."""
    kind, program = KINDS[name], find(name)
    assert program is not None, f"{name} is not installed: `make test` says how"
    port = servers.free_port()
    text = _behind(kind.written(latchkey, apis), behind).replace(str(AUTHORITIES), str(authorities))
    arguments = kind.prepare(text, port, folder)
    own = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    environment = os.environ | own | {"SSL_CERT_FILE": str(authorities)}
    with (folder / "log").open("wb") as log:
        process = servers.start(
            [str(program), *arguments], kind.stop, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment
        )
    gateway = Gateway(port)
    try:
        servers.wait_until(gateway.answers, f"{name}: {(folder / 'log').read_text()[-2000:]}")
        yield gateway
    finally:
        servers.end(process, kind.stop)
