"""What a process of the soak does: the scheduler, with one task that writes down what it is at."""

import os
import random
import time
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.scheduling.leadership import Order

TASK = "tick"
# Of a hundred runs so many fail, or take longer than a second.
FAILING = 10
LONG = 5
LONG_SECONDS = 1.3

_order: "ContextVar[Order]" = ContextVar("_order")


def serve() -> None:
    """Run the scheduler with the task: each of its runs writes down its slot and its attempt."""
    import django
    from django.core.management import call_command

    django.setup()
    from scanner.models import TaskRun
    from scanner.scheduling import ledger
    from scanner.scheduling.leadership import Leadership
    from scanner.scheduling.tasks import TASKS, Result, Task
    from tests.scheduling.seconds import EverySecond

    claim = ledger.claim

    def noted(order: "Order", leadership: Leadership, *, now: datetime) -> TaskRun | None:
        _order.set(order)
        return claim(order, leadership, now=now)

    def tick(_agents: object, _began: object) -> Result:
        slot, attempt = _order.get().scheduled_for, _order.get().attempt
        file = os.open(os.environ["SOAK_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{slot.isoformat()} {attempt}\n".encode())
        os.close(file)
        chance = random.Random(f"{slot} {attempt}").randrange(100)  # noqa: S311
        if chance < FAILING:
            raise RuntimeError("as it is wont to, now and then")
        if chance < FAILING + LONG:
            time.sleep(LONG_SECONDS)
        return Result()

    ledger.claim = noted
    assert isinstance(TASKS, dict)
    TASKS.clear()
    TASKS[TASK] = Task(tick, EverySecond)
    call_command("runapscheduler")
