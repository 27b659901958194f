"""The door of a WSGI server: `backupmonitor.wsgi:application`."""

import os

from django.core.management import BaseCommand
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupmonitor.settings")

application = get_wsgi_application()

# manage.py proves the settings before each command; a server that starts has to ask for it.
BaseCommand().check()
