"""What lies in a tree, to compare."""

from pathlib import Path

from scanner.demo.ground import MARK


def tree_of(root: Path) -> dict[str, tuple[bytes | str, int]]:
    """Give each file below `root`: its bytes (of a link: where it leads) and modification time.

    The demo's own mark is left out.
    """
    return {
        str(path.relative_to(root)): (
            str(path.readlink()) if path.is_symlink() else path.read_bytes(),
            path.lstat().st_mtime_ns,
        )
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or (path.is_file() and path.name != MARK)
    }
