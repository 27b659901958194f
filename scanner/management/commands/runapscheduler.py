import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from scanner.management.exits import exit_codes
from scanner.scheduling import service

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Command(BaseCommand):
    help = (
        "Run the tasks on their schedules until SIGTERM or SIGINT: what runs then has 25 seconds "
        "to end; a second signal waits no longer. Of several on one database one leads and the "
        "others stand by. Exit codes: 0 stopped as asked; 1 the scheduler has died; 2 it cannot "
        "be started; 75 another leads now."
    )

    requires_system_checks: tuple[str, ...] = ()  # a wrong setting is "cannot be started": exit 2

    def handle(self, *args: Any, **options: Any) -> None:
        events = service.Events()

        def note(_number: int, _frame: FrameType | None) -> None:
            events.put(service.Event.STOP)

        for number in STOP_SIGNALS:
            signal.signal(number, note)
        with exit_codes(self):
            ending = service.run(events)
            code = ending.reason.value
            if ending.with_threads:
                # Python's own exit waits for the thread of the scan.
                logging.shutdown()
                os._exit(code)
            sys.exit(code)
