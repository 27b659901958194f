"""The form of a channel: proves its address, and never shows again what opens it."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.alerts.channels import masked_address, problems_of
from scanner.models import Channel

if TYPE_CHECKING:
    Base = forms.ModelForm[Channel]
else:
    Base = forms.ModelForm

_SECRET_KINDS = (Channel.Kind.APPRISE.value, Channel.Kind.WEBHOOK.value)


class ChannelForm(Base):
    """Keeps the stored address and secret where their fields are left empty."""

    class Meta:
        model = Channel
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored = (self.instance.address, self.instance.secret)
        self._stored_kind = self.instance.kind
        if self.instance.pk and self._is_secret and "address" in self.fields:
            self.initial["address"] = ""
            self.fields["address"].help_text = gettext(
                "Stored: %(address)s. It is not shown again; leave it empty to keep it."
            ) % {"address": masked_address(self.instance)}
        if "secret" in self.fields:
            self.initial["secret"] = ""
            if self.instance.secret:
                self.fields["secret"].help_text = gettext(
                    "One is stored. It is not shown again; leave it empty to keep it."
                )

    @property
    def _is_secret(self) -> bool:
        return self._stored_kind in _SECRET_KINDS

    def clean(self) -> dict[str, Any] | None:
        """Refuse an address that cannot be used, in words that do not repeat it."""
        cleaned = super().clean()
        if cleaned is None or self.errors:
            return cleaned
        kept = cleaned.get("kind", self._stored_kind) == self._stored_kind
        address, secret = self._stored
        if kept and self._is_secret and not cleaned.get("address"):
            cleaned["address"] = address
        if kept and not cleaned.get("secret"):
            cleaned["secret"] = secret
        wanted = Channel(
            kind=cleaned.get("kind", self._stored_kind),
            is_builtin=self.instance.is_builtin,
            address=cleaned.get("address", ""),
            secret=cleaned.get("secret", ""),
        )
        for field, words in problems_of(wanted).items():
            self.add_error(field if field in self.fields else None, words)
        return cleaned


BUILTIN_HELP = _(
    "Mail to the recipients that jobs name and to ADMIN_EMAIL_RECIPIENTS, by the server of "
    "EMAIL_URL."
)
