"""A full push of the demo's cohort to a real HAPI beside a bare loop that pours the same Bundles."""
