"""The composition root: wires settings, domain and blueprints into one Flask application."""

import gc

from flask import Flask
from werkzeug.routing import BaseConverter

import api
import oauth
import portal
from latchkey import ids, settings
from latchkey.mail import outbox
from latchkey.naming import presets
from latchkey.settings import Settings
from latchkey.store import session as db
from latchkey.turns import heap
from latchkey.worker import loop
from web import assets, errors, signin
from web.layer import bounds, compression, metrics, middleware, request_log
from web.layer.conflicts import Application
from web.layer.middleware import Exchange
from web.server import rsgi, threads
from web.tracing import switch


class IdConverter(BaseConverter):
    """URL converter for record ids; others are 404."""

    regex = ids.FORM


def create_app(ours: Settings | None = None, *, background: bool = False) -> Flask:
    """The application for these settings, by default those of this process.

    With `background`, mail is delivered and uses of tokens are written beside the requests. Raises
    `settings.SettingError` and `scopes.BadCatalogue`, whose text is one clear line.
    """
    app = _composed(ours or settings.load())
    if background:
        portal.prepare(app)
    _begin(app, background=background)
    return app


def prepare_server(ours: Settings) -> Flask:
    """All of the application that workers share: made once, in the process that they are forked from.

    It holds no connection and no thread, which would not come along.
    """
    app = _composed(ours)
    portal.prepare(app)
    db.dispose()
    # What the collector does not walk stays in memory that processes share.
    gc.collect()
    gc.freeze()
    # What it took to make it no process needs, and this one would keep for as long as it runs.
    heap.trim()
    return app


def begin_server(app: Flask) -> rsgi.Application:
    """The application in a worker of the server."""
    threads.settle()
    request_log.take_over()
    _connect(settings.current())
    _begin(app, background=True)
    return rsgi.Application(app)


def _composed(ours: Settings) -> Flask:
    settings.use(ours)
    presets.load_catalogue(ours.instance)
    _connect(ours)
    app = Application("app", static_folder=None, instance_path=str(ours.instance))
    app.url_map.converters["id"] = IdConverter
    # a credential sent to a path with two slashes is not led on to another.
    app.url_map.merge_slashes = False
    for part in (bounds, signin, assets, errors, compression):
        part.register(app)
    for package in (portal, oauth, api):
        app.register_blueprint(package.blueprint)
    portal.describe(app, api.openapi.document)
    portal.tell_of(app, api.mcp.tools.TOOLS.values())
    outbox.configure(app)
    app.teardown_appcontext(lambda _error: db.db.remove())
    return app


def _connect(ours: Settings) -> None:
    db.configure(ours.database_url, ours.database_read_url)


def _begin(app: Flask, *, background: bool) -> None:
    """What each process has of its own: its log, its counts, its traces, its threads."""
    write = request_log.lines.add if background else None
    observe = metrics.register(app, background=background)
    exchange = switch.begin() if background else Exchange
    middleware.install(app, write=write, observe=observe, exchange=exchange)
    if background:
        request_log.lines.begin()
        loop.start(app, (oauth.codes.purge, oauth.pending.purge))
        # What a server makes at its start lives as long as it does: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
