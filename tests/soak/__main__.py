"""`make soak N=10000`: so many random schedules over the cores, each batch under a seed that is printed."""

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.batches import SCHEDULES_PER_BATCH, STEPS_PER_SCHEDULE, Batch, run_batch


def main() -> None:
    """Reads the command line, runs, and tells."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("schedules", type=int, help="how many")
    parser.add_argument("--seed", type=int, help="of the first batch; the others count on from it")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-shrink", action="store_true", help="leave a failing schedule as it was found")
    options = parser.parse_args()
    first = int(time.time()) if options.seed is None else options.seed
    failure_folder = Path(tempfile.mkdtemp(prefix="soak-broken-"))
    batches = [
        Batch(
            first + n,
            min(SCHEDULES_PER_BATCH, options.schedules - n * SCHEDULES_PER_BATCH),
            not options.no_shrink,
            failure_folder,
        )
        for n in range(-(-options.schedules // SCHEDULES_PER_BATCH))
    ]
    started_at = time.perf_counter()
    done, broken = 0, 0
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        for number, result in enumerate(pool.imap_unordered(run_batch, batches), start=1):
            done += result.schedules
            if result.broken:
                broken += 1
                print(f"seed {result.seed}: {result.broken}", flush=True)
            elif sys.stdout.isatty() or number % 4 == 0:
                print(f"{done} schedules, {time.perf_counter() - started_at:.0f} s", flush=True)
    seconds = time.perf_counter() - started_at
    print(
        f"{done} schedules of up to {STEPS_PER_SCHEDULE} steps, seeds {first} to {batches[-1].seed}, "
        f"{options.workers} workers, {seconds:.0f} s: {broken} broken"
    )
    if not broken:
        failure_folder.rmdir()
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
