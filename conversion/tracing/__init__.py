"""A PyTorch module as a list of layer records."""
