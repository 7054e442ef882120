"""Ensembles of small U-Nets that learn from simulated images: what every detector shares."""
