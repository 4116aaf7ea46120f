"""Posts ready Bundles in a bare loop: `python -m bench.delivery.bare_loop FOLDER ADDRESS CONNECTIONS`.

Prints `ready`, waits for a line, posts every file of the folder over CONNECTIONS connections, and prints its processor
seconds.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.pushing.push_and_baseline import post_all


def main() -> None:
    """Posts the Bundles after a line on standard input."""
    folder, base, connections = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    bodies = [file.read_bytes() for file in sorted(folder.iterdir())]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.process_time()
    with ThreadPoolExecutor(connections) as pool:
        shares = [bodies[at::connections] for at in range(connections)]
        for done in [pool.submit(post_all, base, share) for share in shares]:
            done.result()
    print(json.dumps({"worked": time.process_time() - began}), flush=True)


if __name__ == "__main__":
    main()
