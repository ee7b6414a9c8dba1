"""What an artifact is, and how it gets its data and runs."""
