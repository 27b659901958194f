"""What the exit code of each of our commands tells when it could not do its work.

| code | means                                                                                    |
|------|------------------------------------------------------------------------------------------|
| 2    | it could not run: a wrong setting, no database, tables that are not there, a broken disk |
| 3    | another scan is running                                                                  |
| 141  | whoever read its output has gone, as in `scan_now | head -1`: 128 + SIGPIPE, as a shell  |
|      | tells of any program that ends so; nothing is printed                                    |

1 is left to each command: it tells of problems with backups, and must never come from Python.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import translation

from scanner.errors import BackupMonitorError, LeaseHeld

CANNOT_RUN = 2
ANOTHER_RUNS = 3
READER_GONE = 141

logger = logging.getLogger(__name__)


@contextmanager
def exit_codes(command: BaseCommand, *, checks: bool = True) -> Iterator[None]:
    """Prove settings and tables, then run the block; errors become words and an exit code.

    Commands speak English, whatever LANGUAGE_CODE says: scripts read them.

    Without `checks` the settings are taken as they are, and no disk that they name is looked at.

    All that a command prints belongs into the block: it is flushed at the end of it, when there
    still is somebody who can tell a closed pipe from a failure. For commands whose
    `requires_system_checks` is empty: a wrong setting is "could not run" too.
    """
    try:
        try:
            with translation.override("en"), _errors_in_words(command):
                if checks:
                    command.check()
                _check_tables()
                yield
        finally:
            command.stdout.flush()
    except BrokenPipeError:
        sys.exit(READER_GONE)
    finally:
        _let_go_of_closed_pipes()


@contextmanager
def _errors_in_words(command: BaseCommand) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except LeaseHeld as error:
        command.stderr.write(str(error))
        sys.exit(ANOTHER_RUNS)
    except (
        BackupMonitorError,
        CommandError,
        SystemCheckError,
        DatabaseError,
        InterfaceError,
    ) as error:
        command.stderr.write(str(error))
        sys.exit(CANNOT_RUN)
    except Exception:
        # Python would exit with 1, which tells of problems with backups.
        logger.exception("the command failed in a way that nobody foresaw")
        sys.exit(CANNOT_RUN)


def _check_tables() -> None:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise CommandError(
            f"the database lacks {len(missing)} migrations, the first is {missing[0][0]}: "
            "run manage.py migrate"
        )


def _let_go_of_closed_pipes() -> None:
    """Lead what is still to be written nowhere: else Python exits with 120 for what is left.

    So a log that nobody reads changes no exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
