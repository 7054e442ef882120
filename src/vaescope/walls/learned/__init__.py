"""Detectors of domain walls that are trained on simulated domains (needs torch)."""
