"""What goes wrong, on which day.

A day is counted from the opening, the moment at which the demo is shown first: the 24 hours before
it are day -1, those after it day 0. What has no last day goes on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DAYS: Final = 30
_DAY = timedelta(days=1)


class Trouble(StrEnum):
    """What befalls a backup (the first block) or a whole operation (the second)."""

    BACKUP_FAILED = "the dump failed"
    COMPRESS_FAILED = "the compression failed"
    TRANSFER_FAILED = "the transfer failed"
    FILE_ABSENT = "reported, but never sent"
    CUT_SHORT = "cut short on its way"
    BIT_ROT = "changed on its way"
    BROKEN_ARCHIVE = "packed onto a full disk, and sent like that"
    EMPTY = "the dump's pipe broke"
    KILLED = "the dump was killed, and packed as if it were whole"
    EMPTIED = "the table that matters was emptied before the dump"
    STALE_ARCHIVE = "the day before's archive was sent"
    LINK = "a link lies in its place"
    FORGOTTEN = "the agent does not mention it"

    SILENT = "no operation, no report"
    OPERATION_FAILED = "the operation failed as a whole"
    GARBLED = "the report was cut short"
    IMPOSTOR = "the report names another agent"
    DELAYED = "the report comes hours later"


@dataclass(frozen=True, slots=True)
class Incident:
    """A trouble of an agent, or of one of its databases; the first and last day belong to it."""

    trouble: Trouble
    agent: str
    database: str = ""
    first: int = -1
    last: int | None = None

    def holds(self, agent: str, database: str, day: int) -> bool:
        """Tell whether it befalls this database ("": the operation as a whole) on that day."""
        if (self.agent, self.database) != (agent, database) or day < self.first:
            return False
        return self.last is None or day <= self.last


# Those that go on begin at least two days before the opening, so that whatever the hour of the
# opening is, a cycle has passed in which they were noticed.
INCIDENTS: Final = (
    Incident(Trouble.COMPRESS_FAILED, "ACME_DOUALA_NEWBELL", "ACME_NEWBELL_STOCK_2026", -3),
    Incident(Trouble.TRANSFER_FAILED, "ACME_YAOUNDE_ETOA_MEKI", "ACME_YAOUNDE_AVARIES_2026", -3),
    Incident(Trouble.BACKUP_FAILED, "GLOBEX_PARIS_BERCY", "globex_crm", -5),
    Incident(Trouble.CUT_SHORT, "GLOBEX_PARIS_BERCY", "globex_factures", -3),
    Incident(Trouble.BIT_ROT, "GLOBEX_BAFOUSSAM_ORANGE", "GLOBEX_BAFOUSSAM_TRANSPORT", -4),
    Incident(Trouble.BROKEN_ARCHIVE, "INITECH_LYON_PART_DIEU", "initech_stock", -6),
    Incident(Trouble.KILLED, "SIRPACAM_KRIBI_PORT", "SIRPACAM_KRIBI_2026", -3),
    Incident(Trouble.EMPTIED, "ACME_DOUALA_NEWBELL", "ACME_NEWBELL_CAISSE", -3),
    Incident(Trouble.STALE_ARCHIVE, "GLOBEX_LIMBE_DOWN_BEACH", "GLOBEX_LIMBE_RAFFINERIE", -3),
    Incident(Trouble.FILE_ABSENT, "INITECH_GAROUA_YELWA", "INITECH_GAROUA_MAGASIN", -4),
    Incident(Trouble.FORGOTTEN, "SIRPACAM_DOUALA_AKWA", "SIRPACAM_AKWA_PHARMACIE", -5),
    Incident(Trouble.SILENT, "ACME_BERTOUA_MOKOLO", "", -4),
    # What has passed.
    Incident(Trouble.IMPOSTOR, "SIRPACAM_DOUALA_AKWA", "", -4, -4),
    Incident(Trouble.GARBLED, "GLOBEX_BAFOUSSAM_ORANGE", "", -8, -8),
    Incident(Trouble.LINK, "SIRPACAM_DOUALA_AKWA", "SIRPACAM_AKWA_POINTAGE", -9, -8),
    Incident(Trouble.EMPTY, "ACME_YAOUNDE_ETOA_MEKI", "ACME_YAOUNDE_COMPTA", -15, -14),
    Incident(Trouble.BACKUP_FAILED, "INITECH_LYON_PART_DIEU", "initech_ventes", -18, -16),
    Incident(Trouble.DELAYED, "ACME_BERTOUA_MOKOLO", "", -19, -19),
    Incident(Trouble.OPERATION_FAILED, "GLOBEX_LIMBE_DOWN_BEACH", "", -20, -20),
    Incident(Trouble.CUT_SHORT, "SIRPACAM_KRIBI_PORT", "SIRPACAM_KRIBI_CONTENEURS", -22, -21),
    Incident(
        Trouble.TRANSFER_FAILED, "GLOBEX_BAFOUSSAM_ORANGE", "INITECH_BAFOUSSAM_2026", -24, -24
    ),
    Incident(Trouble.BACKUP_FAILED, "INITECH_LYON_PART_DIEU", "initech_tests", -14, -8),
    Incident(Trouble.BACKUP_FAILED, "SIRPACAM_DOUALA_AKWA", "SIRPACAM_AKWA_CAISSE", -17, -17),
    Incident(Trouble.SILENT, "GLOBEX_PARIS_BERCY", "", -26, -25),
)
# No scan on these days: the server itself was down.
OUTAGES: Final = (-12,)


def day_of(at: datetime, opening: datetime) -> int:
    """Give the day of the story in which an instant lies."""
    return (at - opening) // _DAY


def begin_of(day: int, opening: datetime) -> datetime:
    """Give the instant at which a day of the story begins."""
    return opening + day * _DAY


def trouble_of(agent: str, database: str, day: int) -> Trouble | None:
    """Give what befalls a database ("": the operation as a whole) on that day, if anything."""
    return next(
        (one.trouble for one in INCIDENTS if one.holds(agent, database, day)),
        None,
    )
