"""A PyTorch network made ready: adjusted, pooled by averages, given temporal activations."""
