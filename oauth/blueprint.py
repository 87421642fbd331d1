"""The blueprint that every view of this door hangs on."""

from flask import Blueprint

blueprint = Blueprint("oauth", __name__)
