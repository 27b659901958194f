"""What is kept: one file a concept, everything importable from here."""

from scanner.models.agent import Agent
from scanner.models.entry import BackupEntry, StatusChange
from scanner.models.job import ExpectedBackupJob
from scanner.models.lease import Lease
from scanner.models.report import AgentReport
from scanner.models.run import ScanRun

__all__ = [
    "Agent",
    "AgentReport",
    "BackupEntry",
    "ExpectedBackupJob",
    "Lease",
    "ScanRun",
    "StatusChange",
]
