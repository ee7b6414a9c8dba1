"""Looks into one trained model, of whatever run: what `iodine-analyze` does."""
