"""What an agent has to say of an operation, before it is put into the agent's own dialect."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StepClaim:
    """One step on one database; instants are aware, `sha256` is lower hex, `size` in bytes."""

    is_done: bool = False
    started: datetime | None = None
    ended: datetime | None = None
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class DatabaseClaim:
    """All that is said of one database; `error` is "" where nothing went wrong."""

    database: str
    backup: StepClaim
    compress: StepClaim
    transfer: StepClaim
    staged_name: str
    error: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all three steps were done."""
        return self.backup.is_done and self.compress.is_done and self.transfer.is_done


@dataclass(frozen=True, slots=True)
class OperationClaim:
    """A report. `failed` says that the operation came to nothing, and so to no databases."""

    agent: str
    started: datetime
    ended: datetime
    databases: tuple[DatabaseClaim, ...] = field(default=())
    failed: bool = False
