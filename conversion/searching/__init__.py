"""Searches for thresholds by simulation."""
