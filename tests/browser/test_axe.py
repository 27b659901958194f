"""Each page, light and dark, wide and narrow: axe-core finds nothing serious, and it fits."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import reverse

from scanner.models import (
    Agent,
    AgentReport,
    BackupEntry,
    Channel,
    Delivery,
    ExpectedBackupJob,
    Incident,
    MaintenanceWindow,
    Recipient,
    RestoreDrill,
    ScanRun,
    ScheduledTask,
    StatusChange,
    TaskRun,
    VaultCopy,
    VaultFinding,
    VaultRun,
)
from tests.browser import accessibility, fleet
from tests.browser.visitor import HEIGHT, HUGE, NARROW, WIDE, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Come = Callable[..., Visitor]

RECORDED: tuple[type[Model], ...] = (
    ExpectedBackupJob,
    BackupEntry,
    StatusChange,
    Incident,
    Delivery,
    AgentReport,
    ScanRun,
    Agent,
    VaultCopy,
    VaultFinding,
    RestoreDrill,
    VaultRun,
    TaskRun,
)
EDITED: tuple[type[Model], ...] = (
    Channel,
    MaintenanceWindow,
    Recipient,
    User,
    Group,
)
NAMES = (
    "admin:index",
    *(f"{model._meta.label_lower}:changelist" for model in (*RECORDED, *EDITED, ScheduledTask)),
    *(f"{model._meta.label_lower}:change" for model in (*RECORDED, *EDITED, ScheduledTask)),
    *(f"{model._meta.label_lower}:add" for model in (ExpectedBackupJob, *EDITED)),
)


def examine(visitor: Visitor, path: str) -> list[str]:
    """Give what is wrong with a page, in each light and width."""
    found: list[str] = []
    page = visitor.page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
        page.set_viewport_size({"width": WIDE, "height": HEIGHT})
        response = page.goto(path)
        assert response is not None
        assert response.status == 200
        page.wait_for_load_state("networkidle")
        assert ("dark" in (page.locator("html").get_attribute("class") or "")) == (scheme == "dark")
        for width in (WIDE, NARROW, HUGE):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            if accessibility.is_wider_than_its_window(page):
                found.append(f"{scheme} {width}: scrolls sideways")
            if width != HUGE:
                found += [
                    f"{scheme} {width}: {finding}" for finding in accessibility.grave_findings(page)
                ]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_for_everybody(come: Come, name: str) -> None:
    fleet.settle()
    admin = User.objects.create_superuser("admin", password="secret")
    found = examine(come(admin), _path_of(name))
    assert not found, "\n".join(found)


def _path_of(name: str) -> str:
    label, _, view = name.partition(":")
    if label == "admin":
        return reverse(name)
    model = next(
        model for model in (*RECORDED, *EDITED, ScheduledTask) if model._meta.label_lower == label
    )
    arguments = [model._default_manager.latest("pk").pk] if view == "change" else []
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=arguments)
