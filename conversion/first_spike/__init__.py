"""What method ``ttfs`` is made of: windows, input, populations."""
