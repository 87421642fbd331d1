"""A host of an app's maker: it serves what the app says of itself, and counts who asks."""

import contextlib
import http.server
import json
import threading
import time
from types import SimpleNamespace

from tests.factories import CALLBACK


class Host:
    """A host that serves one document, counts who asks, and does as it is told."""

    def __init__(self, port):
        self.port, self.asked, self.headers, self.status, self.wait = port, [], {}, 200, 0.0
        self.url = f"http://127.0.0.1:{port}/client.json"
        self.document = {"client_id": self.url, "client_name": "Fieldnotes", "redirect_uris": [CALLBACK]}
        self.body = None
        self._begun, self._go = threading.Event(), threading.Event()
        self._go.set()

    @contextlib.contextmanager
    def silent(self):
        """Whoever asks meanwhile is answered afterwards; waits until somebody does when it is called."""
        self._begun.clear()
        self._go.clear()
        try:
            yield lambda: self._begun.wait(60)
        finally:
            self._go.set()

    def serve(self, handler):
        self.asked.append(dict(handler.headers))
        self._begun.set()
        self._go.wait(60)
        time.sleep(self.wait)
        body = json.dumps(self.document).encode() if self.body is None else self.body
        handler.send_response(self.status)
        for name, value in ({"Content-Type": "application/json"} | self.headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    @property
    def app(self):
        return SimpleNamespace(client=SimpleNamespace(id=self.url), secret=None)


@contextlib.contextmanager
def serving():
    """One that runs."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(OSError):
                told.serve(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        told = Host(server.server_port)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield told
        server.shutdown()
