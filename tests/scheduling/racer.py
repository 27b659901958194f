"""Attempts a lease each time it is told to: `python -m tests.scheduling.racer NAME`.

It reads one line a turn: "attempt" is answered by the token won, or by 0; "release" by 0.
"""

import os
import sys

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupmonitor.settings")
    django.setup()
    from scanner.lease import Candidate, Held

    candidate = Candidate(sys.argv[1])
    held: Held | None = None
    tell(0)
    for line in sys.stdin:
        if line.strip() == "attempt":
            held = candidate.attempt()
            tell(held.token if held is not None else 0)
        else:
            if held is not None:
                held.release()
            tell(0)


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
