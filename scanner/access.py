"""Whose rows somebody sees and acts on: the one place that says so, for every door.

Pages, actions, exports, the board and its wall take what they show from `visible`, and ask
`includes` before they act on a company. `Companies` are the names of those that somebody was
granted; EVERY (None) is all of them, and what belongs to no company: scans, tasks, channels.
"""

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Model, Q, QuerySet

from scanner.models import (
    EVERY_COMPANY,
    Agent,
    AgentReport,
    BackupEntry,
    CompanyGrant,
    Download,
    ExpectedBackupJob,
    Incident,
    IncidentMember,
    JobChange,
    MaintenanceWindow,
    RestoreDrill,
    StatusChange,
    VaultCopy,
    VaultFinding,
    WallPass,
)
from scanner.models.batch import batches
from scanner.pipeline.deposit import place_of

M = TypeVar("M", bound=Model)
Companies = frozenset[str] | None
EVERY: Companies = None
NONE: Companies = frozenset()
_REMEMBERED = "_granted_companies"
_OF_JOBS = (Incident.Kind.JOB.value, Incident.Kind.PLACE.value)


def _by(path: str) -> Callable[[frozenset[str]], Q]:
    return lambda companies: Q(**{f"{path}__in": companies})


def _by_agent(path: str) -> Callable[[frozenset[str]], Q]:
    """Rows of an agent, all of whose jobs are of these companies."""

    def rule(companies: frozenset[str]) -> Q:
        jobs = ExpectedBackupJob.objects.order_by()
        own = jobs.filter(company_name__in=companies).values("agent_id")
        others = jobs.exclude(company_name__in=companies).values("agent_id")
        return Q(**{f"{path}__in": own}) & ~Q(**{f"{path}__in": others})

    return rule


RULES: Mapping[type[Model], Callable[[frozenset[str]], Q]] = {
    ExpectedBackupJob: _by("company_name"),
    BackupEntry: _by("job__company_name"),
    StatusChange: _by("job__company_name"),
    JobChange: _by("job__company_name"),
    IncidentMember: _by("job__company_name"),
    Incident: lambda companies: Q(kind__in=_OF_JOBS, company__in=companies),
    MaintenanceWindow: _by("company"),
    AgentReport: _by_agent("agent_id"),
    Agent: _by_agent("name"),
    VaultCopy: _by("job__company_name"),
    VaultFinding: _by("job__company_name"),
    RestoreDrill: _by("job__company_name"),
    Download: _by("copy__job__company_name"),
}
"""Which rows belong to companies; those of a model that is not here belong to the server."""


def companies_of(user: AbstractBaseUser | AnonymousUser) -> Companies:
    """Give the companies that a user was granted, in person or by a group; remembered on `user`."""
    known: Companies | str = getattr(user, _REMEMBERED, "unknown")
    if not isinstance(known, str):
        return known
    companies = _granted(user)
    setattr(user, _REMEMBERED, companies)
    return companies


def _granted(user: AbstractBaseUser | AnonymousUser) -> Companies:
    if not user.is_active or user.pk is None:
        return NONE
    if getattr(user, "is_superuser", False):
        return EVERY
    held = Q(user=user.pk) | Q(group__user=user.pk)
    return _named(CompanyGrant.objects.filter(held).order_by().values_list("company", flat=True))


def companies_of_pass(wall: WallPass) -> Companies:
    """Give the companies that a display shows."""
    return _named(wall.companies)


def _named(companies: Iterable[str]) -> Companies:
    names = frozenset(companies)
    return EVERY if EVERY_COMPANY in names else names


def belongs_to_companies(model: type[Model]) -> bool:
    """Tell whether the rows of a model are companies'; others are for whoever sees every one."""
    return model in RULES


def visible(rows: QuerySet[M], companies: Companies) -> QuerySet[M]:
    """Give those of the rows that these companies may be shown."""
    if companies is None:
        return rows
    rule = RULES.get(rows.model)
    return rows.none() if rule is None else rows.filter(rule(companies))


def includes(companies: Companies, names: Iterable[str]) -> bool:
    """Tell whether all these companies are among those granted."""
    return companies is None or companies.issuperset(names)


def usable_agents(companies: Companies, agents: Collection[str]) -> frozenset[str]:
    """Give those of the agents (identities) whose backups these companies may say to expect.

    A job sees what its agent reports. So its agent must be one that has jobs of these companies
    and of no others or, without any job yet, bear the name of one of these companies.
    """
    if companies is None:
        return frozenset(agents)
    own = {name.casefold() for name in companies}
    users: defaultdict[str, set[str]] = defaultdict(set)
    for some in batches(sorted(agents)):
        jobs = ExpectedBackupJob.objects.filter(agent_id__in=some).order_by()
        for agent, company in jobs.values_list("agent_id", "company_name").distinct():
            users[agent].add(company)
    return frozenset(
        agent
        for agent in agents
        if (
            users[agent] <= companies
            if users[agent]
            else (place := place_of(agent)) is not None and place.company.casefold() in own
        )
    )


def new_token() -> tuple[str, str]:
    """Give a token that nobody can guess, and the digest that is kept of it."""
    token = secrets.token_urlsafe(32)
    return token, digest_of(token)


def digest_of(token: str) -> str:
    """Give what is kept of a token, which is long and random: no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def grant(user: Any, companies: Iterable[str]) -> None:
    """Let a user see these companies, beside those already granted."""
    CompanyGrant.objects.bulk_create(
        [CompanyGrant(user=user, company=name) for name in companies], ignore_conflicts=True
    )
