"""Rows for the copies that were put into the vault before copies had rows."""

from django.db import migrations

BATCH = 500


def know_copies(apps, schema_editor):
    entries = apps.get_model("scanner", "BackupEntry").objects
    copies = apps.get_model("scanner", "VaultCopy").objects
    made = entries.filter(status="SUCCESS", size__isnull=False).exclude(vault_path="").order_by("pk")
    last, known = 0, set()
    while some := list(made.filter(pk__gt=last)[:BATCH]):
        new = {}
        for one in some:
            new.setdefault((one.job_id, one.vault_path), one)
        copies.bulk_create(
            [
                copies.model(
                    job_id=entry.job_id,
                    entry=entry,
                    path=entry.vault_path,
                    sha256=entry.sha256,
                    size=entry.size,
                    made_at=entry.operation_end or entry.recorded_at,
                    stored_at=entry.recorded_at,
                    audited_at=entry.recorded_at,
                )
                for key, entry in new.items()
                if key not in known
            ],
            ignore_conflicts=True,
        )
        known |= new.keys()
        last = some[-1].pk


class Migration(migrations.Migration):
    dependencies = [("scanner", "0003_vault")]

    operations = [migrations.RunPython(know_copies, migrations.RunPython.noop)]
