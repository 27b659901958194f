"""What a job's page tells of its copies: which are kept, what was proven, what is wrong."""

from collections.abc import Mapping

from django.db.models import Count, Sum
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from scanner import conf
from scanner.admin import shown
from scanner.admin.unfolded import Words
from scanner.admin.vault_finding import kind_label
from scanner.models import ExpectedBackupJob, RestoreDrill, VaultCopy, VaultFinding
from scanner.models.vault import ALIVE
from scanner.pipeline.retention import Policy

FINDINGS = 5
RULES: Mapping[str, Words] = {
    "last": _("last"),
    "daily": _("daily"),
    "weekly": _("weekly"),
    "monthly": _("monthly"),
    "yearly": _("yearly"),
}


def rules_in_force(job: ExpectedBackupJob) -> SafeString:
    """Give which copies are kept, rule by rule, and whether the job or a setting says so."""
    lines = []
    for rule, general in conf.vault_keeps().items():
        own = getattr(job, f"keep_{rule}")
        words = {"rule": RULES[rule], "count": general if own is None else own}
        if own is not None:
            lines.append(gettext("%(rule)s: %(count)s (the job's own)") % words)
        elif general:
            words["setting"] = f"VAULT_KEEP_{rule.upper()}"
            lines.append(gettext("%(rule)s: %(count)s (the setting %(setting)s)") % words)
    if job.policy == Policy():
        lines.append(gettext("every copy is kept"))
    return shown.listed(lines)


def proof(job: ExpectedBackupJob) -> SafeString:
    """Give the last restore that succeeded: of which backup, when, in how long, with how much."""
    drill = job.last_restore
    if drill is None:
        return format_html("{}", gettext("never"))
    return format_html(
        gettext("the backup of {made}, restored {at} in {took}: tables {tables}, rows {rows}"),
        made=shown.link_to(VaultCopy, drill.copy_id, shown.moment(drill.copy.made_at)),
        at=shown.link_to(RestoreDrill, drill.pk, shown.moment(drill.started_at)),
        took=shown.duration(drill.seconds),
        tables=shown.number(drill.tables),
        rows=shown.number(drill.rows),
    )


def copies(job: ExpectedBackupJob) -> SafeString:
    """Give how many copies should be in the vault, and how large they are together."""
    alive = VaultCopy.objects.filter(job_id=job.pk, state__in=ALIVE).order_by()
    held = alive.aggregate(count=Count("pk"), bytes=Sum("size"))
    count = held["count"]
    words = ngettext("%(count)s copy", "%(count)s copies", count) % {"count": shown.digits(count)}
    link = shown.link_to_list(VaultCopy, words, job__id__exact=job.pk)
    return format_html("{}, {}", link, shown.size(held["bytes"])) if count else shown.NOTHING


def findings(job: ExpectedBackupJob) -> SafeString:
    """Give what is wrong with the job's files in the vault now, the newest first."""
    wrong = VaultFinding.objects.filter(job_id=job.pk, ended_at=None).order_by("-pk")
    some = list(wrong[: FINDINGS + 1])
    lines = [
        (
            kind_label(finding),
            shown.link_to(VaultFinding, finding.pk, shown.moment(finding.found_at)),
            shown.digest(finding.path),
            finding.message,
        )
        for finding in some[:FINDINGS]
    ]
    if not lines:
        return shown.label(_("none"), "success", small=True)
    rows = format_html_join("", "<li>{} {} {}<br>{}</li>", lines)
    more = (
        shown.link_to_list(VaultFinding, _("all of them"), job__id__exact=job.pk)
        if len(some) > FINDINGS
        else ""
    )
    return format_html('<ul class="bm-findings">{}</ul>{}', rows, more)
