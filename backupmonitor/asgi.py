"""The door of an ASGI server: `backupmonitor.asgi:application`."""

import os

from django.core.asgi import get_asgi_application
from django.core.management import BaseCommand

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupmonitor.settings")

application = get_asgi_application()

# manage.py proves the settings before each command; a server that starts has to ask for it.
BaseCommand().check()
