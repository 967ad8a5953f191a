"""Figures of runs: one kind a file. They take data first, draw into ``ax`` and return the Axes.

``__init__.pyi`` lists the functions. A figure's module is loaded when it is first drawn: the models
and pandas take a while.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
