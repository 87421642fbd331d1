"""The portal for people, in HTML."""

from portal import (
    activity,
    admin,
    apps,
    auth,
    dev_mail,
    guides,
    health,
    security,
    settings,
    tokens,
    welcome,
    well_known,
)
from portal.blueprint import blueprint
from portal.guides.agents.pages import tell_of
from portal.guides.index import prepare
from portal.guides.reference import describe

__all__ = [
    "activity",
    "admin",
    "apps",
    "auth",
    "blueprint",
    "describe",
    "dev_mail",
    "guides",
    "health",
    "prepare",
    "security",
    "settings",
    "tell_of",
    "tokens",
    "welcome",
    "well_known",
]
