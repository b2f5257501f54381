"""Several networks as one: stacking them, their random streams, and the proof that each gets what it gets alone."""
