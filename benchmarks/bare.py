"""The yardstick: a Flask route that answers a little JSON and does nothing else."""

from flask import Flask
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import MPServer

# What was measured as the quickest for it.
THREADS = 4

app = Flask(__name__)


@app.get("/bare")
def bare() -> dict[str, str]:
    return {"hello": "world"}


def serve(port: int, workers: int) -> None:
    """Serve it until stopped."""
    MPServer(
        "benchmarks.bare:app",
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        websockets=False,
        log_level=LogLevels.error,
        log_access=False,
    ).serve(target_loader=lambda _: app)
