#!/usr/bin/env python3
"""The command line: `manage.py COMMAND`; `manage.py help` lists the commands."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

CANNOT_RUN = 2


def main() -> None:
    """Run the command that the arguments name; a wrong setting is told in words: exit 2."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupmonitor.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"backupmonitor is not configured: {error}\n")
        sys.exit(CANNOT_RUN)


if __name__ == "__main__":
    main()
