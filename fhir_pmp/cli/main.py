"""The `fhir-pmp` command with all its subcommands."""

import os
import sys

import click

from fhir_pmp.cli.access import clients, users
from fhir_pmp.cli.configuration import check_mappings, settings
from fhir_pmp.cli.deliveries import deliveries
from fhir_pmp.cli.health import health
from fhir_pmp.cli.intake_commands import import_file, responses
from fhir_pmp.cli.probe import probe_server
from fhir_pmp.cli.processes import migrate, serve, sync
from fhir_pmp.cli.reconcile import reconcile
from fhir_pmp.cli.summary import summary
from fhir_pmp.crash_points import arm_from
from fhir_pmp.errors import FhirPmpError
from fhir_pmp.logs import error_location


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fhir_pmp")
def commands() -> None:
    """Connects a pain-management programme to electronic health records by FHIR."""


for command in (
    *(serve, sync, health, migrate, settings, check_mappings),
    *(import_file, responses, summary, deliveries, reconcile, clients, users, probe_server),
):
    commands.add_command(command)


def main() -> None:
    """Runs one command; prints faults as lines, never as a traceback, with exit status 1."""
    arm_from(os.environ)
    try:
        # With standalone_mode=False click returns the status of `Exit` instead of exiting.
        status = commands(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except FhirPmpError as wrong:
        for fault in wrong.faults:
            click.echo(str(fault), err=True)
        sys.exit(1)
    except Exception as unexpected:  # noqa: BLE001 - last resort: a traceback could contain personal data
        click.echo(f"Unexpected error at {error_location(unexpected)}", err=True)
        sys.exit(70)
