"""The pipeline's words as choices of a column, with labels for people."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Status(models.TextChoices):
    """See `pipeline.verdict.Status`."""

    SUCCESS = "SUCCESS", _("Success")
    UNCHANGED = "UNCHANGED", _("Unchanged")
    FAILED = "FAILED", _("Failed")
    CORRUPT = "CORRUPT", _("Corrupt")
    MISSING = "MISSING", _("Missing")
    UNKNOWN = "UNKNOWN", _("Unknown")


class Reason(models.TextChoices):
    """See `pipeline.verdict.Reason`."""

    BACKUP_FAILED = "backup_failed", _("backup failed")
    COMPRESS_FAILED = "compress_failed", _("compression failed")
    TRANSFER_FAILED = "transfer_failed", _("transfer failed")
    OPERATION_FAILED = "operation_failed", _("operation failed")
    UNSAFE_FILE = "unsafe_file", _("unsafe file")
    FILE_ABSENT = "file_absent", _("file absent")
    SIZE_MISMATCH = "size_mismatch", _("size mismatch")
    HASH_MISMATCH = "hash_mismatch", _("checksum mismatch")
    UNREADABLE_ARCHIVE = "unreadable_archive", _("unreadable archive")
    EMPTY_DUMP = "empty_dump", _("empty dump")
    CONTENT_MISMATCH = "content_mismatch", _("content mismatch")
    TRUNCATED_DUMP = "truncated_dump", _("truncated dump")
    TOO_SMALL = "too_small", _("too small")
    NO_REPORT = "no_report", _("no report")
    SUPERSEDED = "superseded", _("superseded")


class Level(models.TextChoices):
    """See `pipeline.verification.Level`."""

    PRESENT = "present", _("present")
    DIGEST = "digest", pgettext_lazy("level", "digest")
    ARCHIVE = "archive", _("archive")
    CONTENT = "content", _("content")
    RESTORED = "restored", _("restored")
