"""Pictures and pages of what a model makes of scenes."""
