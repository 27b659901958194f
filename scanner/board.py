"""The read side: what the database knows, in as few statements as there are batches."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Count, Max, QuerySet

from scanner import access
from scanner.access import Companies
from scanner.models import (
    Agent,
    AgentReport,
    BackupEntry,
    ExpectedBackupJob,
    ScanRun,
    VaultCopy,
)
from scanner.models.batch import batches
from scanner.models.choices import Status
from scanner.models.job import PROBLEM_STATUSES

ReportKey = tuple[str, str, datetime]


def seen_agents() -> dict[str, bool]:
    """Give each agent that an earlier scan saw, and whether it had a `log/` then."""
    return dict(Agent.objects.values_list("name", "had_log"))


def job_agents(names: Iterable[str]) -> set[str]:
    """Give those of `names` (identities) that a job expects backups from."""
    found = ExpectedBackupJob.objects.filter(agent_id__in=list(names))
    return set(found.order_by().values_list("agent_id", flat=True).distinct())


def jobs_of(agents: Iterable[str]) -> list[ExpectedBackupJob]:
    """Give all jobs of these agents, paused ones too, each with its last good entry."""
    jobs: list[ExpectedBackupJob] = []
    for some in batches(sorted(agents)):
        found = ExpectedBackupJob.objects.filter(agent_id__in=some)
        jobs += found.select_related("last_good_entry").order_by("pk")
    return jobs


def overdue(now: datetime, agents: frozenset[str] | None = None) -> list[ExpectedBackupJob]:
    """Give the active jobs whose awaited deadline has passed."""
    jobs = ExpectedBackupJob.objects.filter(is_active=True, deadline_at__lt=now).order_by("pk")
    if agents is not None:
        jobs = jobs.filter(agent_id__in=sorted(agents))
    return list(jobs)


def filled_cycles(
    jobs: Sequence[int], since: datetime, *, but_missing: bool = False
) -> dict[int, set[datetime]]:
    """Give, for each job, the dues (from `since` on) of the cycles in which an entry stands.

    `but_missing` leaves MISSING entries out of account.
    """
    filled: defaultdict[int, set[datetime]] = defaultdict(set)
    for some in batches(jobs):
        entries = BackupEntry.objects.filter(job_id__in=some, cycle_due__gte=since)
        if but_missing:
            entries = entries.exclude(status=Status.MISSING.value)
        for job, due in entries.order_by().values_list("job_id", "cycle_due"):
            if due is not None:
                filled[job].add(due)
    return filled


def known_reports(keys: Iterable[ReportKey]) -> dict[ReportKey, AgentReport]:
    """Give the accepted reports among these (agent, SHA-256, end of operation or arrival).

    The end is part of what a report is known by, since one without times has the same bytes every
    day; but how a naive end is read may change, while the same bytes that arrived at the same
    instant are the same file.
    """
    wanted = set(keys)
    known: dict[ReportKey, AgentReport] = {}
    for digests in batches(sorted({digest for _, digest, _ in wanted})):
        accepted = AgentReport.objects.filter(
            sha256__in=digests, state=AgentReport.State.ACCEPTED.value
        )
        for report in accepted:
            assert report.operation_end is not None
            for at in (report.operation_end, report.arrived_at):
                key = (report.agent_id, report.sha256, at)
                if key in wanted:
                    known[key] = report
    return known


def judged_jobs(reports: Sequence[AgentReport]) -> dict[int, set[int]]:
    """Give, for each report, the jobs that have an entry from its present attempt."""
    judged: defaultdict[int, set[int]] = defaultdict(set)
    attempts = {report.pk: report.attempt for report in reports}
    for some in batches(list(attempts)):
        entries = BackupEntry.objects.filter(report_id__in=some).order_by()
        for report, job, attempt in entries.values_list("report_id", "job_id", "attempt"):
            if attempt == attempts[report]:
                judged[report].add(job)
    return judged


def arrivals(agent: str, sha256: str) -> list[datetime]:
    """Give when each report of this agent with these bytes arrived, accepted or not."""
    reports = AgentReport.objects.filter(agent_id=agent, sha256=sha256)
    return list(reports.order_by("arrived_at").values_list("arrived_at", flat=True))


def rejections(agent: str, file_name: str) -> list[datetime]:
    """Give when each report of this agent that had this name and was rejected arrived."""
    reports = AgentReport.objects.filter(
        agent_id=agent, file_name=file_name, state=AgentReport.State.REJECTED.value
    )
    return list(reports.order_by("arrived_at").values_list("arrived_at", flat=True))


def last_named(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
    """Give the latest operation end on record for each (agent, staged name)."""
    wanted = set(names)
    latest: dict[tuple[str, str], datetime] = {}
    for some in batches(sorted({name for _, name in wanted})):
        entries = BackupEntry.objects.filter(staged_name__in=some).order_by()
        rows = entries.values_list("agent_id", "staged_name").annotate(Max("operation_end"))
        for agent, name, end in rows:
            if (agent, name) in wanted and end is not None:
                latest[agent, name] = end
    return latest


def copies(jobs: Iterable[int], digests: Iterable[str]) -> dict[tuple[int, str], BackupEntry]:
    """Give the entry that made the vault copy, for each (job, SHA-256) that has one."""
    found: dict[tuple[int, str], BackupEntry] = {}
    keys, wanted = sorted(set(jobs)), sorted(set(digests))
    for some in batches(keys):
        for digest in batches(wanted):
            entries = BackupEntry.objects.filter(
                job_id__in=some,
                sha256__in=digest,
                status=Status.SUCCESS.value,
                copy_deleted_at=None,
            )
            for entry in entries.exclude(vault_path="").order_by("pk"):
                found[entry.job_id, entry.sha256] = entry
    return found


def unusable_copies(copies: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
    """Give those of the copies (job, path in the vault) that are known not to be whole."""
    wanted = set(copies)
    found: set[tuple[int, str]] = set()
    for some in batches(sorted(wanted)):
        jobs, paths = zip(*some, strict=True)
        rows = VaultCopy.objects.filter(job_id__in=jobs, path__in=paths).exclude(
            state=VaultCopy.State.WHOLE.value
        )
        for key in rows.order_by().values_list("job_id", "path"):
            if key in wanted:
                found.add(key)
    return found


def jobs_with_content(digests: Iterable[str]) -> list[tuple[ExpectedBackupJob, str]]:
    """Give the active jobs whose last good backup has one of these contents, each with it."""
    found = []
    for some in batches(sorted(set(digests))):
        jobs = active_jobs().filter(last_good_entry__stable_sha256__in=some)
        for job in jobs.select_related("last_good_entry").order_by("pk"):
            assert job.last_good_entry is not None
            found.append((job, job.last_good_entry.stable_sha256))
    return found


def full_name(job: ExpectedBackupJob) -> str:
    """Give the name that no other job has."""
    return f"{job.agent_id}/{job.database_name}"


def pending_copies(agents: Iterable[str] | None = None) -> list[BackupEntry]:
    """Give the good entries whose copy could not be written to the vault yet."""
    entries = BackupEntry.objects.filter(vault_pending=True).select_related("job").order_by("pk")
    if agents is not None:
        entries = entries.filter(agent_id__in=sorted(agents))
    return list(entries)


def active_jobs() -> QuerySet[ExpectedBackupJob]:
    """Give the jobs that are not paused."""
    return ExpectedBackupJob.objects.filter(is_active=True)


def problem_jobs() -> QuerySet[ExpectedBackupJob]:
    """Give the active jobs in a problem status."""
    return active_jobs().filter(status__in=PROBLEM_STATUSES)


def job_states(*, problems_only: bool = False) -> list[ExpectedBackupJob]:
    """Give each job that is not retired with its last entries, problems first as people want."""
    jobs = problem_jobs() if problems_only else ExpectedBackupJob.objects.filter(retired_at=None)
    return list(jobs.select_related("last_entry", "last_good_entry"))


def status_counts(companies: Companies = access.EVERY) -> dict[str, int]:
    """Count the active jobs of these companies in each status, zeros too."""
    counts = dict.fromkeys(Status.values, 0)
    rows = (
        access.visible(active_jobs(), companies)
        .order_by()
        .values_list("status")
        .annotate(Count("pk"))
    )
    return counts | dict(rows)


def entries_of(run: ScanRun) -> QuerySet[BackupEntry]:
    """Give what a run recorded, each with its job."""
    return BackupEntry.objects.filter(run=run).select_related("job").order_by("pk")


def rejected_reports(run: ScanRun) -> QuerySet[AgentReport]:
    """Give the reports that a run rejected."""
    return run.reports.filter(state=AgentReport.State.REJECTED.value).order_by("pk")


def moment(at: datetime | None) -> str | None:
    """Give a time as ISO 8601 in UTC, to the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
