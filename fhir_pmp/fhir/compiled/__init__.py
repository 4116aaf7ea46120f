"""Byte templates that render responses and changes many times faster than the builders."""
