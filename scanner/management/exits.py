"""What a command's exit code tells when it could not do its work: 2, or 3 while a scan runs."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand, SystemCheckError
from django.db import DatabaseError

from scanner.errors import BackupMonitorError, LeaseHeld

CANNOT_RUN = 2
ANOTHER_RUNS = 3

logger = logging.getLogger(__name__)


@contextmanager
def exit_codes(command: BaseCommand) -> Iterator[None]:
    """Check the settings, then run the block; an error becomes words on stderr and an exit code.

    For commands whose `requires_system_checks` is empty: a wrong setting is "could not run" too.
    """
    try:
        command.check()
        yield
    except LeaseHeld as error:
        command.stderr.write(str(error))
        sys.exit(ANOTHER_RUNS)
    except (BackupMonitorError, SystemCheckError, DatabaseError) as error:
        command.stderr.write(str(error))
        sys.exit(CANNOT_RUN)
    except Exception:
        # Python would exit with 1, which tells of problems with backups.
        logger.exception("the command failed in a way that nobody foresaw")
        sys.exit(CANNOT_RUN)
