"""From vendor files to spectra on a grid: the contract of `spectra.zarr`."""
