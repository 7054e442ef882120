"""Piezoresponse: amplitude and phase of whatever file become one complex signal.

``source`` reads the files of a dataset, ``turned`` puts the domain states on the in-phase axis.
"""
