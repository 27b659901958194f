"""Every exception that backupmonitor raises on purpose.

BackupMonitorError
├── ScheduleError             a cron expression, time zone or grace that cannot be read
├── MalformedReport           a report that is rejected, with the reason its sender needs
├── DepositError              the deposit tree cannot be read as it should
│   ├── DepositRootUnavailable    the root is missing, unreadable or suddenly empty
│   ├── AgentUnreadable           one agent's folder cannot be read: its jobs stay as they were
│   ├── FileAbsent                the named file is not there
│   ├── UnsafeFile                a link, a device, a FIFO, a folder or a name that leads outside
│   └── FileChanged               the file changed while it was read: left for the next scan
├── VaultError                a copy could not be written or read
├── InvalidJobs               a file of jobs with errors, each with its line: nothing was written
├── UnknownAgent              an agent was asked for that neither the tree nor a job knows
├── ChannelError              a message could not be handed to a channel; it is tried again
└── LeaseError
    ├── LeaseHeld                 another process holds the lease, and it is alive
    └── LeaseLost                 we held it and do not any more: stop, record nothing

A corrupt or missing backup is not an error but a verdict: exceptions are for what the server
itself cannot do.
"""


class BackupMonitorError(Exception):
    """The root of the tree above."""


def gettext_noop(words: str) -> str:
    """Mark words for the catalogue of translations; who shows them to people looks them up."""
    return words


class ScheduleError(BackupMonitorError, ValueError):
    """A cron expression, a time zone or a grace that cannot be read.

    `words` and the `facts` that belong into them are apart, so that a page can translate them; as
    text it is English.
    """

    def __init__(self, words: str, **facts: object) -> None:
        super().__init__(words % facts)
        self.words, self.facts = words, facts


class MalformedReport(BackupMonitorError):
    """A report that is rejected; the message is the reason kept beside it."""


class DepositError(BackupMonitorError):
    """The deposit tree cannot be read as it should."""


class DepositRootUnavailable(DepositError):
    """The root is missing, unreadable or suddenly without agents; nobody may be judged."""


class AgentUnreadable(DepositError):
    """One agent's folder cannot be read; its jobs are left as they were."""


class FileAbsent(DepositError):
    """The named file is not in the agent's folder."""


class UnsafeFile(DepositError):
    """What stands under the name is not a regular file inside the agent's own folder."""


class FileChanged(DepositError):
    """The file changed while it was read; it is left for the next scan."""


class VaultError(BackupMonitorError):
    """A copy could not be written to the vault, or not be read back from it."""


class InvalidJobs(BackupMonitorError):
    """A file of jobs holds errors; nothing was written.

    `problems` has one line of words for each error, with its line in the file.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class UnknownAgent(BackupMonitorError):
    """An agent was asked for that neither the deposit tree nor any job knows."""


class ChannelError(BackupMonitorError):
    """A channel did not take a message; the words say why, and hold no secret of the channel.

    `is_down` tells that the channel itself cannot be reached, so that its other messages need not
    be tried now.
    """

    def __init__(self, words: str, *, is_down: bool = False) -> None:
        self.is_down = is_down
        super().__init__(words)


class LeaseError(BackupMonitorError):
    """The lease cannot be had or kept."""


class LeaseHeld(LeaseError):
    """Another process holds the lease, and its heart beats."""


class LeaseLost(LeaseError):
    """The lease was held and is not any more; whoever notices stops and records nothing."""
