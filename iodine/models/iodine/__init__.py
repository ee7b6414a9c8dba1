"""IODINE (Greff et al., 2019)."""
