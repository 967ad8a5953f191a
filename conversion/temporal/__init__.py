"""Networks with one spike a unit: closed form, layers, poolings."""
