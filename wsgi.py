"""What a WSGI server runs; nobody imports it."""

from app import create_app

app = create_app(background=True)
