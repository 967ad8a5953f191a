"""Variants of a converted network: folded, in fragments, leaky, softmax, winner-take-all."""
