"""Score results against ground truth, labels, clean pictures, and other methods."""
