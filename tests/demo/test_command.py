from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from scanner.demo.play import play
from scanner.models import ExpectedBackupJob
from tests.scanning import make_job

pytestmark = pytest.mark.django_db

OPENING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    now = OPENING + timedelta(minutes=1)
    monkeypatch.setattr("scanner.management.commands.demo.timezone.now", lambda: now)


def test_every_job_is_a_line_and_the_last_lines_sum_up_and_say_what_to_do_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    play(now=OPENING, days=4, progress=lambda *_: None)
    call_command("demo")
    out, err = capsys.readouterr()
    header, *rows = out.splitlines()
    assert header.split("  ")[0] == "Place"
    for job in ExpectedBackupJob.objects.all():
        [row] = [row for row in rows if f" {job.database_name} " in row]
        assert job.status in row
        assert job.reason in row
        assert job.is_active == ("paused" not in row)
    assert "The demo was here already: 1 scans; 48 active expected backups: " in out
    assert "3 FAILED" in out
    assert out.endswith("Next: `make serve` shows it in the admin.\n")
    assert err == ""


def test_a_real_installation_is_refused_with_exit_code_2(
    capsys: pytest.CaptureFixture[str], deposit_root: Path
) -> None:
    make_job(agent="REAL_DOUALA_BASSA")
    with pytest.raises(SystemExit) as exit_:
        call_command("demo")
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("the demo was not played: this installation holds 1 expected backups")
    assert list(deposit_root.iterdir()) == []
