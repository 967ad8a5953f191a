"""What the spikes say against what the network computes, layer by layer."""
