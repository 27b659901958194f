"""The state of the vault as the page of its copies shows it."""

from datetime import datetime

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from scanner import vault_board
from scanner.admin import shown
from scanner.admin.vault_finding import counted_open
from scanner.models import VaultFinding


def panel(*, now: datetime) -> list[tuple[str, str]]:
    """Give what the template `vault_state` needs: facts with their names, in five statements.

    What the vault holds is summed up anew, which takes the longer the more copies there are.
    """
    space = vault_board.space(now=now)
    free = _("cannot be told") if space.free_bytes is None else None
    return [
        (_("Coverage"), vault_board.coverage_words(now=now)),
        (_("Free space"), free or shown.size(space.free_bytes)),
        (_("Full in"), shown.time_left(space.free_bytes, space.days_left)),
        (_("Open findings"), _findings()),
    ]


def _findings() -> SafeString:
    count = counted_open()
    if count == "0":
        return shown.label(_("none"), "success", small=True)
    return shown.link_to_list(VaultFinding, shown.label(count, "danger", small=True))
