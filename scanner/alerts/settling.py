"""Puts each job into the incident in which it should be: its own, a place's, or none."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db.models import Count

from scanner.alerts import grouping
from scanner.alerts.grouping import Group, Names, Seat
from scanner.alerts.incidents import Book, count_members, group_of
from scanner.alerts.maintenance import Windows
from scanner.alerts.standing import Standing, standing_of
from scanner.models import ExpectedBackupJob, Incident, IncidentEvent, IncidentMember, VaultCopy
from scanner.models.batch import batches
from scanner.models.channel import AlertLevel
from scanner.models.choices import Status
from scanner.models.job import PROBLEM_STATUSES
from scanner.pipeline.verdict import Warning

Kind = Incident.Kind
Event = IncidentEvent.Kind
End = Incident.End

STILL_PERCENT = 30
"""As long as so many of a place's jobs are missing, one more that goes missing joins them."""


def settle(marked: list[ExpectedBackupJob], windows: Windows, book: Book) -> None:
    """Bring the incidents of these jobs up to date, and of the missing ones around them.

    What is opened, changed and ended is written; its events are in the book.
    """
    _Jobs(marked, windows, book).settle()


@dataclass(slots=True)
class _Moved:
    """What a pass does to the members of one incident."""

    incident: Incident
    joined: int = 0
    left: int = 0
    paused: int = 0
    elsewhere: int = 0  # into another incident, no better
    level: AlertLevel = AlertLevel.WARNING
    parts: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Jobs:
    """The jobs that were marked, and the missing ones that may belong together with them."""

    marked: list[ExpectedBackupJob]
    windows: Windows
    book: Book
    active: dict[Names, int] = field(default_factory=dict)
    totals: dict[Names, int] = field(default_factory=dict)
    places: dict[Group, Incident] = field(default_factory=dict)
    moved: dict[str, _Moved] = field(default_factory=dict)

    def settle(self) -> None:
        """Put each job where it should be, and count the places."""
        jobs = self._with_missing()
        members = _members(jobs)
        standings = self._standings(jobs.values(), members)
        companies = {member.incident.company for member in members.values()}  # of before a move
        companies |= {job.company_name for job in self.marked}
        self.active = _active(companies)
        self.totals = grouping.totals(self.active)
        open_places = Incident.objects.filter(
            kind=Kind.PLACE.value, ended_at=None, company__in=sorted(companies)
        )
        self.places = {group_of(incident): incident for incident in open_places}
        groups = self._groups(jobs, standings, members)
        for key, job in jobs.items():
            self._put(job, standings.get(key), members.get(key), groups.get(key))
        self.book.write()
        self._count_places()
        self.book.write()

    def _with_missing(self) -> dict[int, ExpectedBackupJob]:
        jobs = {job.pk: job for job in self.marked}
        companies = {job.company_name for job in self.marked if job.status == Status.MISSING.value}
        missing = ExpectedBackupJob.objects.filter(
            is_active=True, status=Status.MISSING.value, company_name__in=sorted(companies)
        )
        for job in missing.exclude(alert_check_at__gt=self.book.now).order_by("pk"):
            if job.pk not in jobs and self.windows.until(job) is None:
                jobs[job.pk] = job
        return jobs

    def _standings(
        self, jobs: Collection[ExpectedBackupJob], members: dict[int, IncidentMember]
    ) -> dict[int, Standing]:
        doubtful = [job.pk for job in jobs if Warning.NOT_IN_VAULT.value in job.warnings]
        safe: set[int] = set()
        for some in batches(doubtful):
            whole = VaultCopy.objects.filter(job_id__in=some, state=VaultCopy.State.WHOLE.value)
            safe |= set(whole.order_by().values_list("job_id", flat=True).distinct())
        told = {
            key
            for key, member in members.items()
            if member.incident.level == AlertLevel.PROBLEM.value
        }
        found = {
            job.pk: standing_of(job, has_copy=job.pk in safe, is_told=job.pk in told)
            for job in jobs
        }
        return {key: standing for key, standing in found.items() if standing is not None}

    def _groups(
        self,
        jobs: dict[int, ExpectedBackupJob],
        standings: dict[int, Standing],
        members: dict[int, IncidentMember],
    ) -> dict[int, Group]:
        """Give the place of each missing job that is in one: a wider one, its own, or a new one."""
        seats = {
            key: Seat(key, _names(jobs[key]), standing.reason)
            for key, standing in standings.items()
            if standing.status == Status.MISSING.value
        }
        found = grouping.group(seats.values(), self.active)
        missing = Counter(group for seat in seats.values() for group in seat.groups())
        chosen: dict[int, Group] = {}
        for key, seat in seats.items():
            member = members.get(key)
            mine = member.incident.key if member is not None else ""
            candidates = [
                group
                for group in seat.groups()
                if group in self.places
                and (self.places[group].key == mine or self._goes_on(group, missing[group]))
            ]
            if key in found:
                candidates.append(found[key])
            if candidates:
                chosen[key] = min(candidates, key=lambda group: len(group.names))
        return chosen

    def _goes_on(self, group: Group, missing: int) -> bool:
        """Tell whether a place is still so bad that what goes missing there is of one trouble."""
        active = self.totals.get(group.names, 0)
        return missing >= grouping.FEWEST and missing * 100 >= active * STILL_PERCENT

    def _put(
        self,
        job: ExpectedBackupJob,
        standing: Standing | None,
        member: IncidentMember | None,
        group: Group | None,
    ) -> None:
        now_in = member.incident if member is not None else None
        if standing is None:
            # A problem that is not to be told yet makes nothing well.
            if member is not None and not (job.is_active and job.status in PROBLEM_STATUSES):
                self._leave(member, paused=not job.is_active)
        elif group is not None:
            self._put_in_place(job, standing, member, group)
        elif now_in is None or member is None:
            self.book.open_job(job, standing)
        elif now_in.kind != Kind.JOB.value or _is_milder(standing, now_in):
            self._leave(member, gone=bool(standing.status) and now_in.kind != Kind.JOB.value)
            self.book.open_job(job, standing)
        else:
            self.book.renew(member, job)
            self._compare(now_in, job, standing)

    def _put_in_place(
        self,
        job: ExpectedBackupJob,
        standing: Standing,
        member: IncidentMember | None,
        group: Group,
    ) -> None:
        place = self.places.get(group)
        if place is None:
            place = self.book.open_place(group, standing.level, job.status_since or self.book.now)
            self.places[group] = place
        moved = self._move(place)
        if standing.level is AlertLevel.PROBLEM:
            moved.level = standing.level
        if member is not None and member.incident_id is not None and member.incident_id == place.pk:
            self.book.renew(member, job)
            return
        if member is not None:
            self._leave(member, gone=True)
            moved.parts.add(member.incident_id)
            if member.incident.opened_at < place.opened_at:
                self.book.change(place, opened_at=member.incident.opened_at)
        self.book.join(place, job, standing)
        moved.joined += 1

    def _compare(self, incident: Incident, job: ExpectedBackupJob, standing: Standing) -> None:
        """Tell of the incident of one job what is worse, or another kind of failure."""
        before = (incident.level, incident.status, incident.reason)
        known = incident.facts.get("warnings", [])
        if before == (standing.level.value, *standing.kind) and known == list(standing.warnings):
            return
        is_worse = incident.level != standing.level.value
        is_other = (incident.status, incident.reason) != standing.kind
        if not standing.status and not is_worse:  # of warnings, only a further one is news
            is_other = not set(known).issuperset(standing.warnings)
        self.book.restate(incident, job, standing)
        if is_worse or is_other:
            self.book.tell(incident, Event.CHANGED, count=1, of=1)

    def _leave(self, member: IncidentMember, *, paused: bool = False, gone: bool = False) -> None:
        self.book.leave(member)
        if member.incident.kind == Kind.JOB.value:
            how = End.FOLDED if gone else End.PAUSED if paused else End.RECOVERED
            self.book.end(member.incident, how)
            return
        moved = self._move(member.incident)
        moved.left += 1
        moved.paused += paused
        moved.elsewhere += gone

    def _move(self, incident: Incident) -> _Moved:
        """Give what happens to the incident of a place."""
        return self.moved.setdefault(incident.key, _Moved(self._same(incident)))

    def _same(self, incident: Incident) -> Incident:
        """Give the one object that stands for the incident of a place."""
        return self.places.get(group_of(incident), incident)

    def _count_places(self) -> None:
        places = [moved.incident for moved in self.moved.values()]
        counts = count_members(places)
        for moved in self.moved.values():
            self._tell_place(moved, counts.get(moved.incident.pk, 0))

    def _tell_place(self, moved: _Moved, count: int) -> None:
        place, book = moved.incident, self.book
        facts = dict(place.facts)
        told = facts["told"]
        joined = facts.get("joined", 0) + moved.joined
        left = facts.get("left", 0) + moved.left
        if count == 0:
            book.end(place, _end_of(moved))
            return
        event = _event_of(moved, told, count)
        if moved.level is AlertLevel.PROBLEM:
            book.change(place, level=AlertLevel.PROBLEM.value)
        of = self.totals.get(group_of(place).names, 0)
        peak = max(count, facts.get("peak", 0))
        facts |= {"of": of, "count": count, "peak": peak, "joined": joined, "left": left}
        if 2 * count <= told or event not in (None, Event.JOINED):
            facts |= {"told": count, "joined": 0, "left": 0}
        book.change(place, facts=facts)
        if event is not None:
            parts = sorted(moved.parts)
            book.tell(place, event, count=count, of=of, joined=joined, left=left, parts=parts)


def _end_of(moved: _Moved) -> Incident.End:
    if moved.elsewhere:
        return End.FOLDED
    return End.PAUSED if 0 < moved.paused == moved.left else End.RECOVERED


def _event_of(moved: _Moved, told: int, count: int) -> IncidentEvent.Kind | None:
    """Give what is to be told of a place: it had `told` members when it last was."""
    if told == 0:
        return Event.OPENED
    is_worse = moved.level is AlertLevel.PROBLEM
    if is_worse and moved.incident.level != AlertLevel.PROBLEM.value:
        return Event.CHANGED
    if count >= 2 * told:
        return Event.GROWN
    if 2 * count <= told and moved.left > moved.elsewhere:
        return Event.PARTLY
    return Event.JOINED if moved.joined else None


def _members(jobs: Iterable[int]) -> dict[int, IncidentMember]:
    """Give the open membership of each job that is in an incident."""
    members: dict[int, IncidentMember] = {}
    for some in batches(sorted(jobs)):
        rows = IncidentMember.objects.filter(job_id__in=some, left_at=None)
        for member in rows.select_related("incident", "incident__job"):
            members[member.job_id] = member
    return members


def _active(companies: set[str]) -> dict[Names, int]:
    """Count the active jobs of each place of these companies."""
    jobs = ExpectedBackupJob.objects.filter(is_active=True, company_name__in=sorted(companies))
    fields = ("company_name", "city", "neighborhood", "agent_id")
    rows = jobs.order_by().values_list(*fields).annotate(Count("pk"))
    return {tuple(names): count for *names, count in rows}


def _names(job: ExpectedBackupJob) -> Names:
    return job.company_name, job.city, job.neighborhood, job.agent_id


def _is_milder(standing: Standing, incident: Incident) -> bool:
    return standing.level is AlertLevel.WARNING and incident.level == AlertLevel.PROBLEM.value
