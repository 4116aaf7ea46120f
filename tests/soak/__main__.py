"""`make soak N=10000`: so many random schedules over the cores, each batch under a seed that is printed."""

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.batches import EACH, STEPS, Batch, run_batch


def main() -> None:
    """Reads the command line, runs, and tells."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("schedules", type=int, help="how many")
    parser.add_argument("--seed", type=int, help="of the first batch; the others count on from it")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-shrink", action="store_true", help="leave a failing schedule as it was found")
    asked = parser.parse_args()
    first = int(time.time()) if asked.seed is None else asked.seed
    keep_in = Path(tempfile.mkdtemp(prefix="soak-broken-"))
    batches = [
        Batch(first + n, min(EACH, asked.schedules - n * EACH), not asked.no_shrink, keep_in)
        for n in range(-(-asked.schedules // EACH))
    ]
    begun = time.perf_counter()
    done, broken = 0, 0
    with multiprocessing.get_context("spawn").Pool(asked.workers) as pool:
        for number, outcome in enumerate(pool.imap_unordered(run_batch, batches), start=1):
            done += outcome.schedules
            if outcome.broken:
                broken += 1
                print(f"seed {outcome.seed}: {outcome.broken}", flush=True)
            elif sys.stdout.isatty() or number % 4 == 0:
                print(f"{done} schedules, {time.perf_counter() - begun:.0f} s", flush=True)
    seconds = time.perf_counter() - begun
    print(
        f"{done} schedules of up to {STEPS} steps, seeds {first} to {batches[-1].seed}, "
        f"{asked.workers} workers, {seconds:.0f} s: {broken} broken"
    )
    if not broken:
        keep_in.rmdir()
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
