"""The yardstick: a Flask route that answers a little JSON and does nothing else."""

from flask import Flask

app = Flask(__name__)


@app.get("/bare")
def bare() -> dict[str, str]:
    return {"hello": "world"}
