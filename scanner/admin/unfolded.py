"""What is used of django-unfold, with the types of the Django classes that it extends; Words.

Unfold has no types of its own, and its ModelAdmin takes no type argument at run time. Words are a
text that may still be translated.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.admin import ChoicesFieldListFilter as ChoicesFilter
    from django.contrib.admin import FieldListFilter, ModelAdmin, TabularInline
    from django.contrib.admin import SimpleListFilter as ChoiceFilter
    from django.contrib.auth.forms import (
        AdminPasswordChangeForm,
        AdminUserCreationForm,
        UserChangeForm,
    )
    from django.utils.functional import _StrOrPromise as Words

    class BooleanFilter(FieldListFilter):
        """Yes, no or all."""

else:
    Words = str

    from unfold.admin import ModelAdmin as UnfoldModelAdmin
    from unfold.admin import TabularInline as UnfoldTabularInline
    from unfold.contrib.filters.admin import BooleanRadioFilter as BooleanFilter
    from unfold.contrib.filters.admin import DropdownFilter as ChoiceFilter
    from unfold.contrib.filters.admin import MultipleChoicesDropdownFilter as ChoicesFilter
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm
    from unfold.forms import UserCreationForm as AdminUserCreationForm

    class TabularInline(UnfoldTabularInline):
        """Unfold's, which takes its models as type arguments."""

        def __class_getitem__(cls, _models: Any) -> type:
            """Give the class itself: the arguments are for type checkers alone."""
            return cls

    class ModelAdmin(UnfoldModelAdmin):
        """Unfold's, which takes its model as a type argument."""

        def __class_getitem__(cls, _model: Any) -> type:
            """Give the class itself: the argument is for type checkers alone."""
            return cls

        def get_action_choices(
            self,
            request: Any,
            default_choices: Any = None,  # noqa: ARG002 - unfold has its own
            action_location: Any = None,  # noqa: ARG002
        ) -> list[tuple[str, str]]:
            """Take the argument that Django 6.1 warns of when it is missing, as in unfold's."""
            return super().get_action_choices(request)


__all__ = [
    "AdminPasswordChangeForm",
    "AdminUserCreationForm",
    "BooleanFilter",
    "ChoiceFilter",
    "ChoicesFilter",
    "ModelAdmin",
    "TabularInline",
    "UserChangeForm",
    "Words",
]
