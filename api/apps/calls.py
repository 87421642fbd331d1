"""/v1/apps: the OAuth apps that a user registered."""

from typing import Any

from api.apps import keys as app_keys
from api.apps.shapes import APP, CHANGES, NEW_APP, WITH_SECRET
from api.kit import answers, auth, challenges, paging, problems, repeats
from api.kit.auth import Writer
from api.kit.blueprint import blueprint
from api.kit.describe import CURSOR, LIMIT, REPEAT, Operation, describe, identifier
from api.kit.repeats import Made
from latchkey import clients, notices, scopes, tokens
from latchkey.accounts.users import User
from latchkey.clients import BadClient, Client, OnlyAdministrator
from latchkey.safety import shutdown
from latchkey.store.session import commit_parts, db
from web.calls import Call, Reply

APP_ID = identifier("app_id", "one of the user's apps", str(APP.example["id"]))
CHANGEABLE = ("name", "homepage", "redirect_uris", "scopes", "pkce_required", "device_flow")


def _shown(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "homepage": client.homepage,
        "redirect_uris": client.redirect_uris,
        "scopes": scopes.serialize(client.scopes).split(),
        "waiting_scopes": scopes.serialize(client.waiting_scopes).split(),
        "optional_scopes": scopes.serialize(client.optional).split(),
        "confidential": client.confidential,
        **app_keys.shown(client),
        "pkce_required": client.pkce_required,
        "device_flow": client.device_flow,
        "trusted": client.trusted,
        "suspended_at": answers.moment(client.suspended_at),
        "secrets": [
            {
                "id": secret.id,
                "last4": secret.last4,
                "created_at": answers.moment(secret.created_at),
                "last_used_at": answers.moment(secret.last_used_at),
                "expires_at": answers.moment(secret.expires_at),
            }
            for secret in client.secrets
            if secret.live
        ],
        "created_at": answers.moment(client.created_at),
        "updated_at": answers.moment(client.updated_at),
    }


def own_app(user: User, client_id: str, *, lock: bool = False) -> Client:
    """One of the user's apps. Raises `problems.Problem`."""
    client = clients.get_for(user, client_id, lock=lock) if paging.is_id(client_id) else None
    if client is None:
        raise problems.not_found()
    return client


@blueprint.get("/v1/apps")
@auth.require_scope("apps:read")
@describe(
    Operation(
        summary="List apps",
        group="OAuth apps",
        answer="The apps that the user registered, the newest first.",
        shape=APP,
        listed=True,
        parameters=(LIMIT, CURSOR),
    )
)
def list_apps(call: Call) -> Reply:
    """A page of them."""
    user, asked = auth.user_of(call.bearer), paging.asked("app")
    return paging.page(paging.following(clients.list_for(user), asked), asked, _shown)


@blueprint.post("/v1/apps")
@auth.require_scope("apps:write")
@describe(
    Operation(
        summary="Register an app",
        group="OAuth apps",
        about="The owner gets an e-mail. Scopes that make credentials are for apps that an administrator trusts.",
        status=201,
        answer="The app. `client_secret` is shown only here; a public app has none.",
        shape=WITH_SECRET,
        body=NEW_APP,
        parameters=(REPEAT,),
        also=(409,),
    )
)
def register_app(call: Call) -> Reply:
    """A new app."""
    user = auth.user_of(call.bearer)
    wanted = NEW_APP.read()
    wanted["keys"] = app_keys.wanted(wanted, user.id)
    return repeats.once(call.bearer, lambda by: _register(by, wanted))


def _register(by: Writer, wanted: dict[str, Any]) -> Made:
    user = by.user
    if not user.verified:
        raise challenges.unverified()
    try:
        client, secret = app_keys.register(user, **{"confidential": True, **wanted})
    except BadClient as error:
        raise problems.wrong_fields(error.errors) from None
    except clients.AppsClosed as closed:
        raise challenges.apps_closed(str(closed)) from None
    tokens.traces.leave(client, by.lineage, made=True)
    notices.app_registered(user, client)
    once = {} if secret is None else {"client_secret": secret}
    return Made(client.id, f"/v1/apps/{client.id}", {"client_secret": None, **_shown(client)}, once)


@blueprint.get("/v1/apps/<app_id>")
@auth.require_scope("apps:read")
@describe(Operation(summary="Show an app", group="OAuth apps", answer="The app.", shape=APP, parameters=(APP_ID,)))
def show_app(call: Call, app_id: str) -> Reply:
    """One of the user's apps."""
    return answers.shown(_shown(own_app(auth.user_of(call.bearer), app_id)))


@blueprint.patch("/v1/apps/<app_id>")
@auth.require_scope("apps:write")
@describe(
    Operation(
        summary="Change an app",
        group="OAuth apps",
        about="Only what is sent is changed. The owner gets an e-mail when the redirect URIs or keys are other ones. "
        "With keys its secrets end at once; `jwks` null takes the keys away, and a secret is to be made next.",
        answer="The app as it is now.",
        shape=APP,
        body=CHANGES,
        parameters=(APP_ID,),
    )
)
def change_app(call: Call, app_id: str) -> Reply:
    """Other settings."""
    own_app(auth.user_of(call.bearer), app_id)
    given = CHANGES.read()
    sent = {"jwks", "jwks_uri"} & given.keys()
    keys = app_keys.wanted(given, call.bearer.user_id or "")
    by = auth.writer(call.bearer)
    if sent and not by.user.verified:
        raise challenges.unverified()
    client = own_app(by.user, app_id, lock=True)
    now = {name: getattr(client, name) for name in CHANGEABLE} | {"optional_scopes": client.optional}
    now["scopes"] = client.scopes | client.waiting_scopes
    settings = now | given
    try:
        changes = clients.change(client, **settings, by=by.user)
        rekeyed = bool(sent) and app_keys.change(client, sent, keys, by.user)
    except OnlyAdministrator:
        raise challenges.trusted_app() from None
    except BadClient as error:
        raise problems.wrong_fields(error.errors) from None
    if changes or rekeyed:
        tokens.traces.leave(client, by.lineage)
    if changes:
        notices.app_changed(by.user, client, changes)
    db.commit()
    return answers.changed(_shown(client))


@blueprint.delete("/v1/apps/<app_id>")
@auth.require_scope("apps:write")
@describe(
    Operation(
        summary="Delete an app",
        group="OAuth apps",
        about="Its secrets and tokens end at once; who let it act for them is told.",
        status=204,
        answer="The app is gone.",
        parameters=(APP_ID,),
    )
)
def delete_app(call: Call, app_id: str) -> Reply:
    """The end of an app."""
    own_app(auth.user_of(call.bearer), app_id)
    client = own_app(auth.writer(call.bearer).user, app_id, lock=True)
    commit_parts(shutdown.delete(client))
    return answers.empty(204)


@blueprint.post("/v1/apps/<app_id>/secret")
@auth.require_scope("apps:write")
@describe(
    Operation(
        summary="Rotate an app's secret",
        group="OAuth apps",
        about="The one before works 24 hours more, older ones end at once. The owner gets an e-mail.",
        status=201,
        answer="The app. `client_secret` is the new secret, shown only here.",
        shape=WITH_SECRET,
        parameters=(APP_ID, REPEAT),
        also=(400, 409, 422),
    )
)
def rotate_app_secret(call: Call, app_id: str) -> Reply:
    """A new secret beside the one before."""
    client = own_app(auth.user_of(call.bearer), app_id)
    return repeats.once(call.bearer, lambda by: _rotate(by, client))


def _rotate(by: Writer, client: Client) -> Made:
    user = by.user
    if not user.verified:
        raise challenges.unverified()
    client = own_app(user, client.id, lock=True)
    try:
        secret = clients.rotate_secret(client, by=user)
    except OnlyAdministrator:
        raise challenges.trusted_app() from None
    except BadClient as bad:
        raise problems.no_secret(str(bad)) from None
    tokens.traces.leave(client, by.lineage)
    notices.app_secret_rotated(user, client)
    return Made(client.secrets[0].id, f"/v1/apps/{client.id}", _shown(client), {"client_secret": secret})
