"""How long a step takes, how much memory, and what its arithmetic alone would take."""
