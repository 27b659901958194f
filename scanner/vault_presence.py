"""Whether the vault is there at all: a disk that is not mounted must cost no copy and no verdict.

An empty mount point looks like an empty vault. What tells them apart is the folder in which copies
are written: whoever writes the first copy makes it, and nobody removes it.
"""

from scanner import conf
from scanner.errors import VaultError
from scanner.models import VaultCopy
from scanner.pipeline import vault

_SAMPLE = 50


def why_away() -> str:
    """Say why the vault is taken for one that is away; "" when it is there, or was never used."""
    root = conf.vault_root()
    try:
        if (root / vault.INCOMING).is_dir():
            return ""
    except OSError as error:
        return f"the vault {root} cannot be read ({error.strerror}): check its owner and its mode"
    newest = VaultCopy.objects.exclude(state=VaultCopy.State.DELETED.value).order_by("-pk")
    paths = list(newest.values_list("path", flat=True)[:_SAMPLE])
    if not paths or any(vault.is_there(root, path) for path in paths):
        return ""
    return (
        f"the vault {root} has none of the copies that it should hold: check that its disk is "
        "mounted, and VALIDATED_BACKUPS_BASE_PATH; if they are lost for good, make the folder "
        f"{vault.INCOMING} in it"
    )


def require_vault() -> None:
    """Raise VaultError when the vault is away."""
    if why := why_away():
        raise VaultError(why)
