"""HTTP in and out: four doors, no decisions."""
