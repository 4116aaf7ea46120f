"""Publishes facts as immutable versions and queues their deliveries."""
