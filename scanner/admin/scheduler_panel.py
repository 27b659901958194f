"""The state of the scheduler as the page of tasks shows it."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from scanner.admin import shown
from scanner.models import SchedulerProcess
from scanner.scheduler_board import Leader, scheduler_state


def panel(*, now: datetime) -> dict[str, Any]:
    """Give what the template `scheduler_state` needs, in four statements."""
    state = scheduler_state(now=now)
    health, leader = state.health, state.health.leader
    return {
        "label": shown.label(_("healthy"), "success")
        if health.healthy
        else shown.label(_("not healthy"), "danger"),
        "facts": [
            (_("Leader"), _leader(leader)),
            (_("Leads since"), shown.moment(leader.since if leader else None)),
            (_("Last heartbeat"), shown.moment(leader.heartbeat if leader else None)),
            (_("Standing by"), ", ".join(map(_process, state.standbys)) or _("nobody")),
            (_("Last good scan"), shown.moment(health.last_good_scan)),
        ],
    }


def _leader(leader: Leader | None) -> str:
    if leader is None:
        return shown.label(_("nobody"), "danger")
    return _("process %(pid)s on %(host)s") % {"pid": leader.pid, "host": leader.host}


def _process(process: SchedulerProcess) -> str:
    return _("process %(pid)s on %(host)s") % {"pid": process.pid, "host": process.host}
