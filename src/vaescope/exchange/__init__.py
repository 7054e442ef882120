"""Export results for other tools: napari, HyperSpy, a spreadsheet, an RO-Crate.

Each module writes one form from the stores of a finished dataset, chunk by chunk where it is large:
``ome`` (OME-Zarr) and ``points`` (napari), ``signals`` (HyperSpy), ``table`` (one table of all
sites), ``crate`` (Workflow Run RO-Crate).
"""
