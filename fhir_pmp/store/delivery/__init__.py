"""Stores the outbox: deliveries in ordering lanes, their claims, and the bytes that were sent."""
