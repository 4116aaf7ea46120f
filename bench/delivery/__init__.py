"""What delivering costs us: beside a server that costs nothing, beside a slow one, and with forty responses a person."""
