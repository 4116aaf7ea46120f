"""`fhir-pmp sync` of the environment, with a lease so short that a test may wait for its end."""

import argparse
import sys
from datetime import timedelta

from fhir_pmp.logs import start_logging
from fhir_pmp.schedule import run_sync
from fhir_pmp.settings import Settings


def main() -> int:
    """Reads the command line and works until it is told to end; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lease", type=float, required=True, help="seconds")
    parser.add_argument("--finish-seconds", type=float, required=True, help="seconds")
    options = parser.parse_args()
    settings = Settings.from_environment()
    start_logging(settings.log_level)
    return run_sync(settings, lease=timedelta(seconds=options.lease), drain_seconds=options.finish_seconds)


if __name__ == "__main__":
    sys.exit(main())
