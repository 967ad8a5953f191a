"""Studies: network x method x coding x perturbation x level x seed, from one TOML file.

:func:`run` simulates every cell, on this machine or a Dask cluster, and goes on where an earlier
run was ended; :func:`table` gives one row per cell. See ``docs/studies.md``.

``__init__.pyi`` lists what is here; it is loaded at first use: a list of the ready studies needs
neither pandas nor Brian2.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
