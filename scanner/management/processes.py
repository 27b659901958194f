"""Several programs that live and end together."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_SECONDS = 0.1


def run_together(
    programs: Mapping[str, Sequence[str]],
    *,
    folder: Path,
    patience: float,
    tell: Callable[[str], None],
) -> int:
    """Run named programs until one ends by itself, or until this process is told to stop.

    All are then asked to end (SIGTERM) and have `patience` seconds for it; who asks a second time
    waits no longer. Give the exit code: 0 when told to stop and all ended as asked, else 1. To be
    called in the main thread, since it handles the signals.
    """
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, note) for number in STOP_SIGNALS}
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, program in programs.items():
            # A group of its own: Ctrl-C reaches this process alone, which asks them in its way.
            running[name] = subprocess.Popen(program, cwd=folder, process_group=0)  # noqa: S603
        while not asked and all(process.poll() is None for process in running.values()):
            time.sleep(_LOOK_SECONDS)
        ended = {name: process.poll() for name, process in running.items()}
        if not asked:
            for name, code in ended.items():
                if code is not None:
                    tell(f"{name} has ended with exit code {code}: stopping the rest")
    finally:
        obeyed = _stop(running, asked, patience, tell)
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0 if asked and obeyed else 1


def _stop(
    running: Mapping[str, subprocess.Popen[bytes]],
    asked: Sequence[int],
    patience: float,
    tell: Callable[[str], None],
) -> bool:
    for process in running.values():
        process.terminate()
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and len(asked) < 2:  # noqa: PLR2004 - asked once more
        if all(process.poll() is not None for process in running.values()):
            return True
        time.sleep(_LOOK_SECONDS)
    obeyed = True
    for name, process in running.items():
        if process.poll() is None:
            tell(f"{name} does not end: killing it")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            obeyed = False
    return obeyed
