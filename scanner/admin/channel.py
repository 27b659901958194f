from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from scanner.admin import shown, switch
from scanner.admin.channel_form import BUILTIN_HELP, ChannelForm
from scanner.admin.deeds import SWITCHED, Deed
from scanner.admin.page import Page
from scanner.admin.posted import posted, unexpected
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import Words
from scanner.alerts import testing
from scanner.alerts.channels import masked_address
from scanner.models import Channel, Delivery

SWITCH_URL = "scanner_channel_switch"
TEST_URL = "scanner_channel_test"
PERMISSION = "change_channel"


def address(channel: Channel) -> Words:
    """Give where a channel leads, without what opens it."""
    return BUILTIN_HELP if channel.is_builtin else shown.prose(masked_address(channel))


def scope(channel: Channel) -> str:
    """Say of which places a channel is told."""
    names = (channel.company, channel.city, channel.neighborhood)
    return " / ".join(filter(None, names)) or str(_("all places"))


def test_result(channel: Channel) -> SafeString:
    """Give when a channel was tested last, and whether the test was taken."""
    if channel.tested_at is None:
        return shown.NOTHING
    kind, words = ("danger", _("failed")) if channel.test_error else ("success", _("taken"))
    label = shown.label(words, kind, small=True)
    return format_html("{} {}", label, shown.moment(channel.tested_at))


test_result.__test__ = False  # type: ignore[attr-defined]  # its name is a word of the domain


def failing(channel: Channel) -> SafeString:
    """Give since when a channel has taken nothing, and why."""
    if channel.failing_since is None:
        return shown.NOTHING
    label = shown.label(_("failing since"), "danger", small=True)
    words = shown.shortened(channel.last_error)
    return format_html("{} {} {}", label, shown.moment(channel.failing_since), words)


@admin.register(Channel)
class ChannelAdmin(Page[Channel]):
    """The ways to people and programs, and what each is told of."""

    form = ChannelForm
    actions = None
    sortable_by = ()
    list_display_links = ("name",)
    change_form_outer_before_template = "scanner/admin/channel_test.html"
    fieldsets = (
        (_("How it does"), {"fields": (("tested", "test_met"), ("failing", "met"))}),
        (
            None,
            {"fields": (("name", "enabled"), "kind", "address", "secret", "its_address")},
        ),
        (
            _("What it is told of"),
            {
                "fields": (
                    ("company", "city", "neighborhood"),
                    ("level", "escalate_after_hours"),
                )
            },
        ),
        (
            _("How and when"),
            {"fields": (("language", "time_zone"), ("reminders", "digest", "reminder_hour"))},
        ),
    )
    readonly_fields = ("its_address", "tested", "test_met", "failing", "met")

    where = computed(_("address"), address)
    its_address = computed(_("address"), address)
    its_scope = computed(_("scope"), scope)
    tested = computed(shown.name_of(Channel, "tested_at"), test_result)
    test_met = column(Channel, "test_error", shown.prose)
    trouble = computed(shown.name_of(Channel, "last_error"), failing)
    failing = column(Channel, "failing_since", shown.moment)
    met = column(Channel, "last_error", shown.prose)

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, of the switch and of the button."""
        switching = self.admin_site.admin_view(self.switch_view)
        testing = self.admin_site.admin_view(self.test_view)
        return [
            path("<int:pk>/switch/", switching, name=SWITCH_URL),
            path("<int:pk>/test/", testing, name=TEST_URL),
            *super().get_urls(),
        ]

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Give the columns; the switch knows who looks."""
        switched = self._switch_column(request)
        return ("name", switched, "kind", "where", "its_scope", "level", "tested", "trouble")

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        """Give the form: what opens a channel is only there for those who may change it."""
        may_change = self.has_change_permission(request, obj) if obj else True
        is_builtin = obj is not None and obj.is_builtin
        hidden = {"its_address"} if may_change and not is_builtin else {"address", "secret"}
        if is_builtin:
            hidden.add("kind")
        state, *fieldsets = super().get_fieldsets(request, obj)
        found = [] if obj is None else [state]
        for title, options in fieldsets:
            fields = [field for field in options["fields"] if field not in hidden]
            if fields:
                found.append((title, {**options, "fields": tuple(fields)}))
        return tuple(found)

    def has_delete_permission(self, request: HttpRequest, obj: Channel | None = None) -> bool:
        """Say no to the one that is built in: it is switched off instead."""
        if obj is not None and obj.is_builtin:
            return False
        return super().has_delete_permission(request, obj)

    def get_deleted_objects(
        self,
        objs: Iterable[Channel],
        request: HttpRequest,  # noqa: ARG002
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Count the deliveries that go with a channel: there may be too many to name.

        Nobody may delete one by itself, and they do not keep a channel from being deleted.
        """
        channels = list(objs)
        deliveries = Delivery.objects.filter(channel__in=channels).count()
        counts = {
            str(Channel._meta.verbose_name_plural): len(channels),
            str(Delivery._meta.verbose_name_plural): deliveries,
        }
        return [str(channel) for channel in channels], counts, set(), []

    def save_model(
        self,
        request: HttpRequest,
        obj: Channel,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Save it, with the time at which it was made."""
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save the form; no report of an error tells what was filled in."""
        view = sensitive_post_parameters("address", "secret")(super().changeform_view)
        found: HttpResponse = sensitive_variables()(view)(
            request, object_id, form_url, extra_context
        )
        return found

    def around(self, request: HttpRequest, obj: Channel) -> dict[str, Any]:
        """Give whether the form has the button that sends a test above it."""
        return {"may_test": self.has_change_permission(request, obj)}

    def _switch_column(self, request: HttpRequest) -> Callable[[Channel], Any]:
        may_change = self.has_change_permission(request)

        @admin.display(description=shown.name_of(Channel, "enabled"), boolean=not may_change)
        def enabled(channel: Channel) -> Any:
            if not may_change:
                return channel.enabled
            url = reverse(f"admin:{SWITCH_URL}", args=[channel.pk])
            words = _("%s is enabled") % channel
            return switch.button(f"channel-{channel.pk}", url, words, is_on=channel.enabled)

        return enabled

    def switch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch a channel on or off, as its row in the list asks, and show the list again."""
        channel = posted(self, request, pk, permission=PERMISSION)
        if channel is None:
            return HttpResponseNotAllowed(["POST"])
        wanted = switch.wanted(request)
        if wanted is None:
            return unexpected(switch.FIELD, switch.VALUES)
        if channel.enabled is not wanted:
            Channel.objects.filter(pk=pk).update(enabled=wanted)
            self.log_change(request, channel, SWITCHED)
        return HttpResponseRedirect(f"{reverse('admin:scanner_channel_changelist')}#channel-{pk}")

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send a test, and say what came of it."""
        channel = posted(self, request, pk, permission=PERMISSION)
        if channel is None:
            return HttpResponseNotAllowed(["POST"])
        results = testing.send_test(channel, now=timezone.now())
        self.log_change(request, channel, Deed.SENT_A_TEST.value)
        if not results:
            self.message_user(request, testing.NOBODY, messages.WARNING)
        for one in results:
            whom = one.recipient or channel.name
            if one.error:
                words = gettext("The test to %(whom)s failed: %(error)s")
                level = messages.ERROR
            else:
                words = gettext("The test to %(whom)s was taken.")
                level = messages.SUCCESS
            self.message_user(request, words % {"whom": whom, "error": one.error}, level)
        return HttpResponseRedirect(reverse("admin:scanner_channel_change", args=[pk]))
