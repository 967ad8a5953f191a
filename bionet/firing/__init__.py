"""Firing rates of neurons with units: measured curves, and the activations made of them."""
