"""The jobs that a command line means."""

from django.core.management.base import CommandError

from scanner.models import ExpectedBackupJob
from scanner.pipeline.deposit import agent_identity
from scanner.pipeline.text import quote


def job_called(name: str) -> ExpectedBackupJob:
    """Give the job called AGENT/DATABASE. Raise CommandError when it is not expected."""
    agent, _, database = name.partition("/")
    named = ExpectedBackupJob.objects.filter(agent_id=agent_identity(agent), database_name=database)
    job = named.first()
    if job is None:
        raise CommandError(
            f"{quote(name)} is no expected backup: give AGENT/DATABASE as backup_status lists them"
        )
    return job
