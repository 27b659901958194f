"""What to try first, for each kind of trouble. Every reason and warning that is told is here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Words

OF_REASON: "Mapping[str, Words]" = {
    "backup_failed": _(
        "Read the agent's error above: is the database server up, is the password still right, is"
        " there room for the dump at the site? Then run the agent by hand."
    ),
    "compress_failed": _(
        "Look for a full disk at the site first. Then compress the dump by hand and see what it "
        "says."
    ),
    "transfer_failed": _(
        "Try the link from the site to this server, its keys, and the room on this server's disk."
        " Then run the agent's transfer by hand."
    ),
    "operation_failed": _(
        "The agent broke off before any database: read its error above and its log at the site, "
        "and run it by hand."
    ),
    "unsafe_file": _(
        "What lies in the agent's folder is a link or no regular file. See who made it before you"
        " delete it, and let the agent send the file itself."
    ),
    "file_absent": _(
        "The report came without its file. Look for the file at the site, and whether the "
        "transfer or somebody on this server removed it; then send it again."
    ),
    "size_mismatch": _(
        "The transfer broke off or the file was replaced. Send it again; if it happens again, "
        "look for a full disk on either side."
    ),
    "hash_mismatch": _(
        "The file was damaged on its way or on a disk. Compare the checksum at the site; if it is"
        " right there, send the file again, else test that site's disk and memory."
    ),
    "unreadable_archive": _(
        "The archive cannot be unpacked. Try it at the site: if it is broken there too, the "
        "compression was killed or the disk is full; make the backup again."
    ),
    "empty_dump": _(
        "The dump holds nothing: the dump program failed and its pipe hid it. Run it by hand at "
        "the site, and let the agent stop when it fails (pipefail)."
    ),
    "content_mismatch": _(
        "The archive holds something else than what the agent dumped. Make the backup again, and "
        "see whether two operations write to the same file."
    ),
    "truncated_dump": _(
        "The dump lacks its own end: the dump program was killed or lost its connection. Look for"
        " time-outs, memory and a full disk at the site, and make the backup again."
    ),
    "too_small": _(
        "It is smaller than this job may be. See whether tables are missing from the dump, or set"
        " the job's minimal size anew if the database has shrunk."
    ),
    "no_report": _(
        "Nothing came from the agent. Is the site's machine on, is its link up, does its schedule"
        " run? Look at the agent's log at the site."
    ),
    "superseded": _(
        "A later backup took its place before it could be read: nothing is to be done."
    ),
    "only_copy_is_staged": _(
        "The vault has no copy of this job, and the next backup replaces the file. Make room in "
        "the vault or mount it, then run: manage.py scan_now"
    ),
    "late": _("See how long the dump and the transfer take, or give the job more grace."),
    "clock_skew": _("Set the clock of the site's machine: let it follow a time server."),
    "size_anomaly": _(
        "Compare it with the database: were many rows deleted or imported, or is a part missing?"
    ),
    "duration_anomaly": _(
        "See what else ran on the site's machine at that time, and how its disks are."
    ),
    "stale_content": _(
        "Nothing in the database has changed for long. Is it still used, and does the agent dump "
        "the right one?"
    ),
    "same_as_other_job": _(
        "Two jobs hold the same content: see in the agent's settings whether one of them dumps "
        "the wrong database."
    ),
    "not_in_vault": _(
        "Make room in the vault or mount it: the next scan tries again, while the file is still "
        "there."
    ),
    "damaged": _(
        "Copies have changed on their disk. Look at the disk's health first; those whose staged "
        "file is still whole are repaired by themselves, for others make a new backup now."
    ),
    "absent": _(
        "Copies are not where they were written. See who deleted them or what is not mounted, "
        "then run: manage.py audit_vault"
    ),
    "unreadable": _(
        "Copies cannot be read: look at the disk, and at the rights of their files and folders."
    ),
    "not_restorable": _(
        "A copy could not be restored: read the drill's error. Make a backup anew and try a drill"
        " of that job: manage.py restore_drill"
    ),
    "extra": _(
        "Files lie in the vault that no verdict made. See what they are, and move them away."
    ),
    "room": _(
        "Give the vault more room, or let old copies go by the rules VAULT_KEEP_… (docs/vault.md)."
    ),
    "deposit_root": _(
        "Mount the disk of BACKUP_STORAGE_ROOT, or correct its path, then run: manage.py "
        "scan_now. Until then nothing is checked."
    ),
    "failed": _("Read its error, mend that, and run it again from the list of tasks."),
    "interrupted": _(
        "Its process was killed. See whether the machine was restarted or ran out of memory, and "
        "run it again."
    ),
    "incomplete": _(
        "Something could not be looked at, and its jobs are left as they were: mend what the "
        "error above names."
    ),
    "nobody_led": _(
        "See why no scheduler ran: systemctl status, the log, the machine. What fell due "
        "meanwhile is judged now. Let a second one stand by on another machine."
    ),
    "failing": _("Send a test from the channel's page, and correct its address or its service."),
}


def for_reason(reason: str) -> str:
    """Give what to try first, in the language that is active."""
    return str(OF_REASON.get(reason, ""))
