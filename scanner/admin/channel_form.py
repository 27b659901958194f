"""The form of a channel: proves its address, and never shows again what opens it."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.alerts.channels import masked_address, problems_of
from scanner.models import Channel

if TYPE_CHECKING:
    Base = forms.ModelForm[Channel]
else:
    Base = forms.ModelForm

EMAIL, WEBHOOK = Channel.Kind.EMAIL.value, Channel.Kind.WEBHOOK.value
_LINK = "://"
BUILTIN_HELP = _(
    "Mail to the recipients that jobs name and to ADMIN_EMAIL_RECIPIENTS, by the server of "
    "EMAIL_URL."
)


class ChannelForm(Base):
    """Keeps the stored address and secret where their fields are left empty.

    What opens a channel is in no page: neither what is stored nor, when the form is refused, what
    was filled in.
    """

    class Meta:
        model = Channel
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance
        self._stored = Channel(kind=stored.kind, address=stored.address, secret=stored.secret)
        if address := self.fields.get("address"):  # none for one who may only look
            address.widget.attrs |= {"rows": 2, "autocomplete": "off"}
            if stored.pk and self._is_hidden:
                self.initial["address"] = ""
                address.help_text = gettext(
                    "Stored: %(address)s. It is not shown again; leave it empty to keep it."
                ) % {"address": masked_address(stored)}
        if secret := self.fields.get("secret"):
            self.initial["secret"] = ""
            secret.widget.input_type = "password"
            secret.widget.attrs["autocomplete"] = "new-password"
            if stored.secret:
                secret.help_text = gettext(
                    "One is stored. It is not shown again; leave it empty to keep it."
                )

    @property
    def _is_hidden(self) -> bool:
        """Whether the stored address opens something."""
        return self._stored.kind != EMAIL

    def full_clean(self) -> None:
        """Validate; a form that is refused comes back without what opens the channel."""
        super().full_clean()
        if not self.is_bound or not self.errors:
            return
        assert isinstance(self.data, QueryDict)  # the admin gives it what was posted
        data = self.data.copy()
        for name in ("address", "secret"):
            key = self.add_prefix(name)
            typed = str(data.get(key, ""))
            is_mail = name == "address" and data.get("kind") == EMAIL and _LINK not in typed
            if name in self.fields and typed and not is_mail:
                data[key] = ""
                self.add_error(name, gettext("It is not shown again: fill it in once more."))
        self.data = data

    def clean(self) -> dict[str, Any] | None:
        """Refuse an address that cannot be used, in words that do not repeat it."""
        cleaned = super().clean()
        if cleaned is None or self.errors:
            return cleaned
        kind = cleaned.get("kind", self._stored.kind)
        address, secret = cleaned.get("address", ""), cleaned.get("secret", "")
        if kind == self._stored.kind:
            address = address or (self._stored.address if self._is_hidden else "")
            secret = secret or self._stored.secret
        cleaned |= {"address": address, "secret": secret if kind == WEBHOOK else ""}
        for field, words in self._problems(kind, cleaned).items():
            self.add_error(field if field in self.fields else None, words)
        return cleaned

    def _problems(self, kind: str, cleaned: dict[str, Any]) -> dict[str, str]:
        if kind == EMAIL and _LINK in cleaned["address"]:
            # It may open something, and would be quoted as no e-mail address.
            return {"address": gettext("This is no e-mail address: choose another kind.")}
        wanted = Channel(
            kind=kind,
            is_builtin=self.instance.is_builtin,
            address=cleaned["address"],
            secret=cleaned["secret"],
        )
        return problems_of(wanted)
