"""The demonstration: synthetic people, and a driver that hands them in through the service's own doors."""
