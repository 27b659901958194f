"""The rows of the vault's copies: made when a verdict puts one there, changed when it changes.

Everything here is called inside a transaction of somebody who writes history.
"""

from collections.abc import Sequence
from datetime import datetime

from scanner import conf
from scanner.models import BackupEntry, VaultCopy
from scanner.models.batch import BATCH, batches
from scanner.models.choices import Status
from scanner.pipeline import vault, verdict

GONE = "; not copied yet: its copy was just deleted"
_RENEWED = (
    "entry",
    "sha256",
    "size",
    "made_at",
    "stored_at",
    "audited_at",
    "state",
    "drilled_at",
    "proven_at",
    "deleted_at",
    "deleted_because",
)


def take_in(entries: Sequence[BackupEntry], *, now: datetime) -> None:
    """Make a row of each copy that these entries put into the vault, whose jobs are locked.

    A copy that was known already, but not as whole, was written again and is whole now. One that a
    prune has deleted since it was found there, or is about to, is lost: its entry waits for
    another copy.
    """
    made = {
        (entry.job_id, entry.vault_path): entry
        for entry in entries
        if entry.vault_path and entry.status == Status.SUCCESS.value
    }
    known, going = _known(set(made))
    new: list[VaultCopy] = []
    again: list[VaultCopy] = []
    lost: list[BackupEntry] = []
    for key, entry in made.items():
        copy = known.get(key)
        if copy is not None and copy.state == VaultCopy.State.WHOLE.value:
            continue
        if entry.vault_path in going or not vault.is_there(conf.vault_root(), entry.vault_path):
            lost.append(entry)
        elif copy is None:
            new.append(copy_of(entry, now=now))
        else:
            renewed = copy_of(entry, now=now)
            renewed.pk = copy.pk
            again.append(renewed)
    for entry in lost:
        entry.vault_path, entry.vault_pending = "", True
        entry.warnings = [*entry.warnings, verdict.Warning.NOT_IN_VAULT.value]
        entry.message += GONE
    BackupEntry.objects.bulk_update(
        lost, ("vault_path", "vault_pending", "warnings", "message"), batch_size=BATCH
    )
    VaultCopy.objects.bulk_update(again, _RENEWED, batch_size=BATCH)
    VaultCopy.objects.bulk_create(new, batch_size=BATCH)


def copy_of(entry: BackupEntry, *, now: datetime) -> VaultCopy:
    """Make the (unsaved) row of the copy that an entry put into the vault."""
    assert entry.size is not None
    return VaultCopy(
        job_id=entry.job_id,
        entry=entry,
        path=entry.vault_path,
        sha256=entry.sha256,
        size=entry.size,
        made_at=entry.operation_end or entry.recorded_at,
        stored_at=now,
        audited_at=now,
    )


def _known(
    keys: set[tuple[int, str]],
) -> tuple[dict[tuple[int, str], VaultCopy], set[str]]:
    """Lock the rows of these paths, of whichever job; give the keys' own, and what is going.

    Two jobs may be of one database: a prune that deletes the one's copy either sees the other's
    new row, or has marked the path already.
    """
    known: dict[tuple[int, str], VaultCopy] = {}
    going: set[str] = set()
    for some in batches(sorted({path for _, path in keys})):
        locked = VaultCopy.objects.select_for_update().filter(path__in=some)
        for copy in locked.order_by("pk"):
            if (copy.job_id, copy.path) in keys:
                known[copy.job_id, copy.path] = copy
            if copy.state == VaultCopy.State.DELETING.value:
                going.add(copy.path)
    return known, going
