"""Scores against what is known: truth of simulations, labels, clean twins, other methods."""
