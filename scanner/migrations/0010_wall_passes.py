"""A wall pass of every company says so: one that names none shows nothing."""

from django.db import migrations, models

EVERY_COMPANY = "*"


def say_every_company(apps, _editor):
    """Let the passes that name no company, which was every one until now, show what they showed."""
    passes = apps.get_model("scanner", "WallPass").objects
    every = [one for one in passes.all() if not one.companies]
    for one in every:
        one.companies = [EVERY_COMPANY]
    passes.bulk_update(every, ["companies"], batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("scanner", "0009_groups")]

    operations = [
        migrations.AlterField(
            model_name="wallpass",
            name="companies",
            field=models.JSONField(blank=True, default=list, verbose_name="companies"),
        ),
        migrations.RunPython(say_every_company, migrations.RunPython.noop),
    ]
