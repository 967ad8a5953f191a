"""Shared steps of the methods, over a list of layer records."""
