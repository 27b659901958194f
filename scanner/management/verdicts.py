"""A run's verdicts as a table, with a line that sums them up."""

from rich.text import Text

from scanner import board
from scanner.management import output
from scanner.models import BackupEntry, ScanRun

COLUMNS = ("Place", "Database", "Status", "Reason", "Size", "Verified to", "Message")


def print_run(run: ScanRun, stream: output.Stream) -> None:
    """Print what a finished run recorded."""
    entries = board.entries_of(run)
    if entries:
        output.print_table(stream, COLUMNS, (_row(entry) for entry in entries))
    for finding in run.findings:
        output.print_line(stream, f"! {finding}", "yellow")
    for report in board.rejected_reports(run):
        words = f"! rejected {report.agent_id}/{report.file_name}: {report.reason}"
        output.print_line(stream, words, "yellow")
    output.print_line(stream, summary(run))


def summary(run: ScanRun) -> str:
    """Sum a run up in one line."""
    verdicts = ", ".join(f"{count} {status}" for status, count in run.counts.items() if count)
    unexpected = ""
    if run.databases_unexpected:
        unexpected = (
            f"{run.databases_unexpected} databases nobody expects, "
            f"{run.jobs_registered} registered; "
        )
    return (
        f"Scan {run.pk} {run.outcome} in {run.seconds or 0:.1f} s: "
        f"{run.reports_accepted} reports accepted, {run.reports_rejected} rejected, "
        f"{run.reports_known} known, {run.reports_deferred} deferred; "
        f"{verdicts or 'no new verdicts'}; {unexpected}"
        f"{output.bytes_in_words(run.verified_bytes)} verified; {run.problems} in trouble now"
    )


def _row(entry: BackupEntry) -> tuple[Text | str, ...]:
    job = entry.job
    return (
        f"{job.company_name} / {job.city} / {job.neighborhood}",
        job.database_name,
        output.coloured(entry.status),
        ", ".join(filter(None, (entry.reason, *entry.warnings))),
        output.bytes_in_words(entry.size),
        entry.level,
        entry.message,
    )
