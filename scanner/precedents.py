"""What a backup is compared with: the last good one, those before it, and other jobs'."""

from collections.abc import Iterable, Sequence

from scanner import board, conf
from scanner.cases import Case
from scanner.models import ExpectedBackupJob
from scanner.models.choices import Status
from scanner.models.entry import BackupEntry
from scanner.pipeline import vault
from scanner.pipeline.findings import Evidence
from scanner.pipeline.verdict import Baseline, Past, differs
from scanner.pipeline.verification import Measurement
from scanner.state import past_of


def precedents(looked_at: Sequence[tuple[Case, Evidence | None]]) -> dict[Case, Past]:
    """Give what each case of a batch is judged by, beside its claim and its evidence.

    No job stands twice in a batch. The statements do not grow with its size.
    """
    goods = {case: good for case, _ in looked_at if (good := _last_good(case)) is not None}
    unusable = board.unusable_copies((good.job_id, good.vault_path) for good in goods.values())
    root = conf.vault_root()
    baselines = {
        case: Baseline(
            sha256=good.sha256,
            content_sha256=good.content_sha256 or None,
            stable_sha256=good.stable_sha256 or None,
            vault_path=good.vault_path,
        )
        for case, good in goods.items()
        if (good.job_id, good.vault_path) not in unusable and vault.is_there(root, good.vault_path)
    }
    digests = {case: digest for case, found in looked_at if (digest := _digest(case, found))}
    doubles = _doubles(digests)
    return {
        case: past_of(
            case.job,
            baselines.get(case),
            doubles.get(case, ""),
            report=case.incoming.row.pk,
            cycle=case.cycle,
        )
        for case, _ in looked_at
    }


def _last_good(case: Case) -> BackupEntry | None:
    good: BackupEntry | None = case.job.last_good_entry
    if good is not None and good.report_id == case.incoming.row.pk:
        # The very backup that is judged again: what it was compared with then, counts again.
        return good if good.status == Status.UNCHANGED.value else None
    return good


def _digest(case: Case, found: Evidence | None) -> str:
    """Give the digest of a content that is what its claim says, else nothing."""
    if not isinstance(found, Measurement) or case.claim is None or differs(case.claim, found):
        return ""
    return found.stable_sha256 or ""


ANOTHER_COMPANY = "a job of another company"


def _doubles(digests: dict[Case, str]) -> dict[Case, str]:
    """Give for each case another job with the same content, one of the batch's own or a stored one.

    A job's name tells it to people; which of several is told does not matter. One of another
    company is not named: whoever reads the verdict may not see it.
    """
    holders: dict[str, dict[int, ExpectedBackupJob]] = {}
    for job, digest in _holders(digests):
        holders.setdefault(digest, {})[job.pk] = job
    doubles = {}
    for case, digest in digests.items():
        others = [job for key, job in holders[digest].items() if key != case.job.pk]
        own = [job for job in others if job.company_name == case.job.company_name]
        if others:
            doubles[case] = min(map(board.full_name, own), default=ANOTHER_COMPANY)
    return doubles


def _holders(digests: dict[Case, str]) -> Iterable[tuple[ExpectedBackupJob, str]]:
    yield from board.jobs_with_content(digests.values())
    for case, digest in digests.items():
        yield case.job, digest
