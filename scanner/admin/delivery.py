from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.filters import EqualFilter
from scanner.admin.incident_history import SECRETS, next_try, state_label, whom
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter, ModelAdmin, Words
from scanner.models import Channel, Delivery, Incident
from scanner.models.batch import batches
from scanner.models.naming import named

State = Delivery.State
OF_INCIDENT = "event__incident__id__exact"


def try_again(keys: Sequence[int], *, now: datetime) -> int:
    """Have deliveries that were not sent tried at once, and for another day; give how many.

    What is sent, or is being sent just now by somebody whose claim lasts, stays as it is.
    """
    free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    count = 0
    for some in batches(keys):
        unsent = Delivery.objects.filter(free, pk__in=some).exclude(state=State.SENT.value)
        count += unsent.update(
            state=State.PENDING.value, next_try_at=now, attempts=0, created_at=now
        )
    return count


def about(delivery: Delivery) -> SafeString:
    """Give what is told: an event of an incident, or a digest."""
    if delivery.event is None:
        return format_html(gettext("digest of {moment}"), moment=shown.moment(delivery.digest_at))
    event = delivery.event
    words = named(event.incident.name, event.get_kind_display())
    return shown.link_to(Incident, event.incident_id, words)


class ChannelFilter(EqualFilter):
    """One of the channels, which are few."""

    parameter_name = "channel"
    field = "channel__name"
    title = shown.name_of(Delivery, "channel")

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give the channels by their names."""
        return [(name, name) for name in Channel.objects.values_list("name", flat=True)]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyPage[Delivery]):
    """Who is told of what, and what became of it."""

    empty_words = _(
        "Nothing was to be told to anybody yet. Whom it would be told to is said by the channels."
    )
    list_display = (
        "made",
        "about",
        "whom",
        "its_state",
        "attempts",
        "next_try",
        "first_words",
    )
    list_filter = (("state", ChoicesFilter), ChannelFilter)
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
    first_words = column(Delivery, "last_error", shown.shortened)
    its_state = computed(shown.name_of(Delivery, "state"), state_label)
    about = computed(_("about"), about)
    whom = computed(_("to whom"), whom)
    next_try = computed(shown.name_of(Delivery, "next_try_at"), next_try)
    its_channel = computed(
        shown.name_of(Delivery, "channel"),
        lambda delivery: shown.link_to(Channel, delivery.channel_id, delivery.channel.name),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Give the deliveries, without what opens their channels."""
        found: QuerySet[Delivery] = super().get_queryset(request)
        return found.select_related("channel", "event__incident").defer(*SECRETS)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow what the page of an incident links to."""
        return lookup == OF_INCIDENT or super().lookup_allowed(lookup, value, request)

    def has_try_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may have messages tried again."""
        return request.user.has_perm(f"{self.opts.app_label}.change_delivery")

    @admin.action(description=_("Try again now"), permissions=["try"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Have the selected that were not sent tried again."""
        keys = list(queryset.values_list("pk", flat=True))
        count = try_again(keys, now=timezone.now())
        words = ngettext(
            "%(count)d message is tried again.", "%(count)d messages are tried again.", count
        )
        level = messages.SUCCESS if count else messages.INFO
        self.message_user(request, words % {"count": count}, level)
