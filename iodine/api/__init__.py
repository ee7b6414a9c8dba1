"""What `iodine.load` gives: a trained model with NumPy in and out."""
