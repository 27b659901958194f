"""What is kept: one file a concept, everything importable from here."""

from scanner.models.access import EVERY_COMPANY, CompanyGrant, WallPass
from scanner.models.agent import Agent
from scanner.models.alert import Delivery, Incident, IncidentEvent, IncidentMember
from scanner.models.channel import Channel, MaintenanceWindow, Recipient
from scanner.models.download import Download
from scanner.models.entry import BackupEntry, StatusChange
from scanner.models.job import ExpectedBackupJob
from scanner.models.job_change import JobChange
from scanner.models.lease import Lease
from scanner.models.report import AgentReport
from scanner.models.run import ScanRun
from scanner.models.task import (
    ScheduledTask,
    SchedulerProcess,
    TaskChange,
    TaskRequest,
    TaskRun,
)
from scanner.models.vault import RestoreDrill, VaultCopy, VaultFinding, VaultRun

__all__ = [
    "EVERY_COMPANY",
    "Agent",
    "AgentReport",
    "BackupEntry",
    "Channel",
    "CompanyGrant",
    "Delivery",
    "Download",
    "ExpectedBackupJob",
    "Incident",
    "IncidentEvent",
    "IncidentMember",
    "JobChange",
    "Lease",
    "MaintenanceWindow",
    "Recipient",
    "RestoreDrill",
    "ScanRun",
    "ScheduledTask",
    "SchedulerProcess",
    "StatusChange",
    "TaskChange",
    "TaskRequest",
    "TaskRun",
    "VaultCopy",
    "VaultFinding",
    "VaultRun",
    "WallPass",
]
