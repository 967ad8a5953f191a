"""Measurements of speed and memory; see ``make bench``. Not part of the test suite."""
