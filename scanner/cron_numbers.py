"""Ascending numbers of a field of a cron expression: which follow each other, and how far apart."""

from collections.abc import Sequence
from itertools import pairwise

FEWEST_OF_A_RUN = 3
FEWEST_OF_A_SERIES = 5


def runs(numbers: Sequence[int]) -> list[list[int]]:
    """Part numbers into those that follow each other, three or more, and single ones."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    long = FEWEST_OF_A_RUN
    return [part for run in found for part in ([run] if len(run) >= long else [[n] for n in run])]


def is_run(numbers: Sequence[int]) -> bool:
    """Tell whether numbers follow each other."""
    return numbers[-1] - numbers[0] == len(numbers) - 1


def is_series(numbers: Sequence[int]) -> bool:
    """Tell whether numbers are many, all as far from each other, and do not follow each other."""
    return step_of(numbers) > 1 and len(numbers) >= FEWEST_OF_A_SERIES


def step_of(numbers: Sequence[int]) -> int:
    """Give the distance between numbers that are all as far from each other, else 0."""
    steps = {after - before for before, after in pairwise(numbers)}
    return steps.pop() if len(steps) == 1 else 0


def even_step_of(numbers: Sequence[int], whole: int) -> int:
    """Give the distance between numbers that part a whole into equal lengths, else 0."""
    found = step_of(numbers)
    return found if found and found * len(numbers) == whole else 0
