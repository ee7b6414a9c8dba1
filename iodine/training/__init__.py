"""Training a model: one step, the loop, what a run's folder keeps, what is reported."""
