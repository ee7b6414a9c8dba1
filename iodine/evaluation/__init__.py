"""Running trained models over data, and the figures of merit."""
