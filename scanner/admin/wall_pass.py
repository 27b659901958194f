"""Passes for displays on walls: made here, shown once, revoked here."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from scanner import access, conf
from scanner.access import Companies
from scanner.admin import shown
from scanner.admin.deeds import Deed
from scanner.admin.page import Page
from scanner.admin.posted import posted
from scanner.admin.shown import column, computed
from scanner.models import EVERY_COMPANY, ExpectedBackupJob, WallPass

if TYPE_CHECKING:
    Base = forms.ModelForm[WallPass]
else:
    Base = forms.ModelForm

REVOKE_URL = "scanner_wallpass_revoke"
PERMISSION = "change_wallpass"


class WallPassForm(Base):
    """Asks which companies are shown; that it is every one has to be said."""

    every_company = forms.BooleanField(
        label=_("Every company"),
        required=False,
        help_text=_("Those to come included; and the state of the scheduler and of the vault."),
    )
    companies = forms.MultipleChoiceField(
        label=_("Companies"),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "bm-choices"}),
    )
    granted: Companies = access.NONE

    class Meta:
        model = WallPass
        fields = ("name", "companies")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        jobs = access.visible(ExpectedBackupJob.objects.order_by("company_name"), self.granted)
        names = jobs.values_list("company_name", flat=True).distinct()
        field = self.fields["companies"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, name) for name in names]

    def clean(self) -> dict[str, Any]:
        """Take some companies or every one, and no more than its maker sees."""
        super().clean()
        cleaned = self.cleaned_data
        is_every, names = cleaned.get("every_company"), cleaned.get("companies")
        if is_every and self.granted is not access.EVERY:
            raise ValidationError(gettext("You do not see every company."))
        if bool(is_every) == bool(names) and "companies" not in self.errors:
            self.add_error("companies", gettext("Choose some companies, or every one: not both."))
        return cleaned | {"companies": [EVERY_COMPANY]} if is_every else cleaned


def standing(row: WallPass) -> SafeString:
    """Give whether a pass opens anything."""
    if row.revoked_at is None:
        return shown.label(_("in use"), "success", small=True)
    label = shown.label(_("revoked"), "danger", small=True)
    return format_html("{} {} {}", label, shown.moment(row.revoked_at), row.revoked_by)


def companies(row: WallPass) -> str:
    """Give what a pass shows."""
    if EVERY_COMPANY in row.companies:
        return gettext("every company")
    return ", ".join(row.companies) or shown.NOTHING


@admin.register(WallPass)
class WallPassAdmin(Page[WallPass]):
    """The displays that show the board without anybody being logged in."""

    form = WallPassForm
    actions = None
    sortable_by = ()
    list_display = ("name", "shows", "how", "used", "made", "created_by")
    list_display_links = ("name",)
    change_form_outer_before_template = "scanner/admin/wall_pass_revoke.html"
    search_fields = ("name",)
    empty_words = _(
        "No display hangs on a wall yet. Add a pass; then open the address that is shown on the "
        "display."
    )

    shows = computed(_("companies"), companies)
    how = computed(_("standing"), standing)
    used = column(WallPass, "last_used_at", shown.moment)
    made = column(WallPass, "created_at", shown.moment)

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of its button."""
        view = self.admin_site.admin_view(self.revoke_view)
        return [path("<int:pk>/revoke/", view, name=REVOKE_URL), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: WallPass | None = None) -> Any:  # noqa: ARG002
        """Give the form of a new one, or what is known of one that there is."""
        if obj is None:
            return ((None, {"fields": ("name", "every_company", "companies")}),)
        return ((None, {"fields": ("name", "shows", "how", ("used", "made", "created_by"))}),)

    def get_readonly_fields(self, request: HttpRequest, obj: WallPass | None = None) -> Any:  # noqa: ARG002
        """Show what is not asked for."""
        return () if obj is None else ("shows", "how", "used", "made", "created_by")

    def get_form(
        self,
        request: HttpRequest,
        obj: WallPass | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> "type[forms.ModelForm[WallPass]]":
        """Give a form that offers what whoever fills it in may see."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is None:
            form.granted = access.companies_of(request.user)  # type: ignore[attr-defined]
        return form

    def has_change_permission(self, request: HttpRequest, obj: WallPass | None = None) -> bool:
        """Say no to one that there is: what it shows stands; another is made, and it is revoked."""
        return obj is None and super().has_change_permission(request, obj)

    @sensitive_variables("token")
    def save_model(
        self,
        request: HttpRequest,
        obj: WallPass,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Save it with the digest of a new token, which the answer alone holds."""
        token, obj.token_sha256 = access.new_token()
        obj.created_at, obj.created_by = timezone.now(), request.user.get_username()
        super().save_model(request, obj, form, change)
        answered: Any = obj
        answered.token = token

    def response_add(
        self,
        request: HttpRequest,
        obj: WallPass,
        post_url_continue: str | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Show the address that the display has to open, this once."""
        made: Any = obj
        address = f"{conf.site_url()}{reverse('board:wall')}?pass={made.token}"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("The pass “%(name)s” is made") % {"name": obj.name},
            "address": address,
            "original": obj,
        }
        response = TemplateResponse(request, "scanner/admin/wall_pass_made.html", context)
        response["Referrer-Policy"] = "no-referrer"
        return response

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let a pass open nothing any more."""
        row = posted(self, request, pk, permission=PERMISSION)
        if row is None:
            return HttpResponseNotAllowed(["POST"])
        revoked = WallPass.objects.filter(pk=pk, revoked_at=None).update(
            revoked_at=timezone.now(), revoked_by=request.user.get_username()
        )
        if revoked:
            self.log_change(request, row, Deed.REVOKED.value)
            told = gettext("“%(name)s” opens nothing any more.") % {"name": row.name}
            self.message_user(request, told, messages.SUCCESS)
        else:
            self.message_user(request, gettext("It was revoked already."), messages.INFO)
        return HttpResponseRedirect(reverse("admin:scanner_wallpass_change", args=[pk]))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form with one button: what answers it is shown once."""
        once = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, (extra_context or {}) | once)

    def around(self, request: HttpRequest, obj: WallPass) -> dict[str, Any]:
        """Give whether the page has the button that revokes."""
        may = request.user.has_perm(f"{self.opts.app_label}.{PERMISSION}")
        return {"may_revoke": may and obj.revoked_at is None}
