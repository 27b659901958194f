"""What may be run on a schedule, each thing under the name that its job has in the job store."""

import logging
from collections.abc import Callable, Mapping

from django.utils import timezone

from scanner.errors import LeaseHeld
from scanner.models import ScanRun
from scanner.scan import scan

logger = logging.getLogger(__name__)

SCAN = "scan"


def run_scanner_job() -> None:
    """Scan the deposit tree as of now; when another scan runs, leave it to that one.

    Raise as `scan` does: whoever runs this tells of the failure.
    """
    try:
        scan(now=timezone.now(), trigger=ScanRun.Trigger.SCHEDULE)
    except LeaseHeld as held:
        logger.info("the scheduled scan is skipped, as another one runs: %s", held)


TASKS: Mapping[str, Callable[[], None]] = {SCAN: run_scanner_job}


def dispatch(name: str) -> None:
    """Run the task of that name; raise KeyError when there is none.

    Each job in the job store is a call of this function, stored by the path of this module: what
    it calls may be renamed or moved, but neither the module nor the function, ever.
    """
    TASKS[name]()
