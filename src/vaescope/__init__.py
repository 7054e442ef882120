"""Which local structures are in micrographs, how they vary, where, and how sure that is.

The rooms, bottom to top: ``store``, ``read``, ``simulate``, ``sites``, ``patches``, ``models``,
``train``, ``analyse``, ``figures``, ``report``. A room imports only from rooms below it, and none
of them knows of the workflow that calls them.
"""

__version__ = "0.1.0"
