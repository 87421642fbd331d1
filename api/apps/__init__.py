"""/v1/apps: the OAuth apps that a user registered."""

from api.apps.calls import APP_ID, list_apps, own_app, show_app

__all__ = ["APP_ID", "list_apps", "own_app", "show_app"]
