"""The Django project: how backupmonitor is configured and served. It knows nothing of backups."""
