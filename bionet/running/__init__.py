"""From arguments to results: simulate, build, eject, and the compiled programs."""
