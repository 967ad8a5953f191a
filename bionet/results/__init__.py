"""What simulations give: recordings, readouts, metrics, costs, curves."""
