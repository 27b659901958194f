"""What is told of an incident, alike in the list, on its own page and on that of a job."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from scanner import access
from scanner.admin import navigation, shown
from scanner.alerts.wording import advice
from scanner.alerts.wording.headlines import OF_REASON, headline
from scanner.models import ExpectedBackupJob, Incident
from scanner.models.channel import AlertLevel


def level_label(incident: Incident) -> SafeString:
    """Give an incident's level: red or yellow while it is open."""
    kind = "danger" if incident.level == AlertLevel.PROBLEM.value else "warning"
    return shown.label(incident.get_level_display(), "" if incident.ended_at else kind)


def words(incident: Incident) -> str:
    """Say what is wrong and where."""
    return headline(incident, incident.facts)


def lasted(incident: Incident) -> SafeString:
    """Give for how long it has gone on, or went on."""
    span = (incident.ended_at or timezone.now()) - incident.since
    return shown.duration(span.total_seconds())


def place(incident: Incident) -> str:
    """Give where it is, from the company on."""
    names = (incident.company, incident.city, incident.neighborhood)
    return " / ".join(filter(None, names)) or shown.NOTHING


def why(incident: Incident) -> SafeString:
    """Give the reason in words: of a verdict as everywhere, of what else is told as in messages."""
    return shown.reason(incident.reason if incident.status else _reason(incident))


def acknowledgement(incident: Incident) -> SafeString:
    """Give who says to know of it, and until when that holds."""
    if incident.acknowledged_at is None:
        return shown.NOTHING
    by, until = incident.acknowledged_by, incident.acknowledged_until
    if until is None:
        return format_html("{}", by)
    if until <= timezone.now():
        return format_html("{} {}", by, shown.label(_("run out"), small=True))
    # Translators: who acknowledged an incident, and until when that holds
    return format_html(_("{by}, until {moment}"), by=by, moment=shown.moment(until))


def found(incident: Incident) -> SafeString:
    """Give what was found, of an incident that is no job's, in lines."""
    return shown.listed(_found(incident))


def cautions(incident: Incident) -> SafeString:
    """Give the warnings of an incident of a job."""
    return shown.warnings(incident.facts.get("warnings", ()))


def first_aid(incident: Incident) -> SafeString:
    """Give what to try first."""
    return shown.prose(advice.for_reason(incident.reason))


def open_one(job: ExpectedBackupJob, request: HttpRequest) -> Incident | None:
    """Give the open incident that a job is in, of its own or of its place, if one may see it.

    It may be another company's: of the place where the job was until somebody changed that.
    """
    if not navigation.may_see(request, Incident):
        return None
    opened = Incident.objects.filter(
        ended_at=None, members__job=job.pk, members__left_at=None
    ).order_by("pk")
    return access.visible(opened, access.companies_of(request.user)).first()


def way_to(incident: Incident | None, request: HttpRequest) -> SafeString | str:
    """Give the way to what `open_one` gave."""
    if not navigation.may_see(request, Incident):
        return shown.NOTHING
    if incident is None:
        return shown.label(_("none"), "success", small=True)
    link = shown.link_to(Incident, incident.pk, words(incident))
    return format_html("{} {}", level_label(incident), link)


def _found(incident: Incident) -> Iterator[str]:
    facts = incident.facts
    if error := facts.get("error"):
        yield str(error)
    for sample in facts.get("samples", ()):
        yield _("%(path)s: %(message)s") % {
            "path": sample.get("path", ""),
            "message": sample.get("message", ""),
        }


def _reason(incident: Incident) -> str:
    return str(OF_REASON.get(incident.reason, incident.reason))
