"""Strain and rotation of a lattice: from neighbours, by geometric phase analysis, of a model."""
