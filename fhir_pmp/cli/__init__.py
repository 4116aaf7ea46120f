"""The `fhir-pmp` commands for operators.

Each prints what it did, or in one line what is wrong.
"""

from fhir_pmp.cli.main import main

__all__ = ["main"]
