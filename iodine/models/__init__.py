"""The models, one room each, what they share, and the interface that all of them have."""
