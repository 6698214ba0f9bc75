"""A list of jobs, run one after the other: progress, the time left, and an end after some minutes."""
import sys
import time
from dataclasses import dataclass
from typing import Callable

import shared  # noqa: F401: the folder of progress
from progress import Bar


@dataclass
class Job:
    cost: float  # expected seconds on the reference machine; only ratios matter
    run: Callable[[], str]  # returns a line that says what came out


def fits(job, spent, elapsed, minutes):
    """Whether the job is likely to end within `minutes`, at the speed of the `spent` cost so far."""
    pace = elapsed / spent if spent else 1.0
    return not minutes or elapsed + job.cost * pace <= 60 * minutes


def run_all(jobs, title, minutes=0):
    """How many jobs failed. Those left when the minutes (0: no limit) are over are for the next run."""
    total, spent, failed = sum(job.cost for job in jobs), 0.0, 0
    if not jobs:
        print(f"{title}: nothing left to measure")
        return 0
    bar, start = Bar(total, title), time.monotonic()
    for done, job in enumerate(jobs):
        if not fits(job, spent, time.monotonic() - start, minutes):
            print(f"{title}: {len(jobs) - done} of {len(jobs)} left for the next run (--minutes)")
            break
        try:
            print(f"[{done + 1}/{len(jobs)}] {job.run()}", flush=True)
        except RuntimeError as error:
            failed += 1
            print(f"[{done + 1}/{len(jobs)}] failed: {error}", file=sys.stderr, flush=True)
        spent += job.cost
        bar.advance(job.cost)
    bar.close()
    return failed
