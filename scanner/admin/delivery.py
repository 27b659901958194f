from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from scanner.admin import shown
from scanner.admin.incident_history import state_label
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import Channel, Delivery, Incident

State = Delivery.State


def _about(delivery: Delivery) -> SafeString | str:
    if delivery.event is None:
        return shown.moment(delivery.digest_at)
    kind = delivery.event.get_kind_display()
    incident = delivery.event.incident
    return shown.link_to(Incident, incident.pk, f"{incident.name}: {kind}")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyPage[Delivery]):
    """Who is told of what, and what became of it."""

    list_display = (
        "made",
        "about",
        "channel",
        "recipient",
        "its_state",
        "attempts",
        "next_try",
        "error",
    )
    list_filter = (("state", ChoicesFilter),)
    list_select_related = ("channel", "event", "event__incident")
    search_fields = ("recipient",)
    search_help_text = _("Search by recipient")
    ordering = ("-pk",)
    actions = ("try_again",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "about",
                    ("its_channel", "recipient"),
                    ("its_state", "attempts", "next_try"),
                    ("made", "sent"),
                    "error",
                )
            },
        ),
    )

    made = column(Delivery, "created_at", shown.moment)
    sent = column(Delivery, "sent_at", shown.moment)
    error = column(Delivery, "last_error", shown.prose)
    its_state = computed(shown.name_of(Delivery, "state"), state_label)
    about = computed(_("about"), _about)
    next_try = computed(
        shown.name_of(Delivery, "next_try_at"),
        lambda delivery: (
            shown.moment(delivery.next_try_at)
            if delivery.state == State.PENDING.value
            else shown.NOTHING
        ),
    )
    its_channel = computed(
        shown.name_of(Delivery, "channel"),
        lambda delivery: shown.link_to(Channel, delivery.channel_id, delivery.channel.name),
    )

    def has_try_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may have messages tried again."""
        return bool(request.user.has_perm("scanner.change_delivery"))

    @admin.action(description=_("Try again now"), permissions=["try"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Have what was not sent tried again now, and for another 24 hours."""
        now = timezone.now()
        free = Q(claimed_until=None) | Q(claimed_until__lte=now)
        unsent = Delivery.objects.filter(free, pk__in=list(queryset.values_list("pk", flat=True)))
        waiting: dict[str, Any] = {"state": State.PENDING.value, "next_try_at": now}
        count = unsent.exclude(state=State.SENT.value).update(**waiting, attempts=0, created_at=now)
        words = ngettext(
            "%(count)d message is tried again.", "%(count)d messages are tried again.", count
        )
        self.message_user(request, words % {"count": count}, messages.SUCCESS)
