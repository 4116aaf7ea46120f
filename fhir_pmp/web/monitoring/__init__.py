"""The door of whoever watches over the service: signs of life, health and metrics; nothing about any person."""
