"""BioNet: trained PyTorch networks as spiking differential equations in Brian2.

The data flow, left to right::

    PyTorch network -> convert -> SpikingNetwork -> build -> Brian2 objects
                                                 -> simulate -> Recording -> figures

Examples
--------
>>> import bionet
>>> from brian2 import ms
>>> net = bionet.zoo.lenet5(weights="digits")
>>> data = bionet.datasets.load("digits", split="train")
>>> snn = bionet.convert(
...     net, method="rate", calibration=data.images[:500], input_shape=(1, 28, 28)
... )
>>> run = bionet.simulate(snn, data.images[:100], duration=50 * ms)
>>> run.accuracy(data.labels[:100])  # doctest: +SKIP

Brian2 and torch take seconds to import. ``__init__.pyi`` lists the public names, and each is loaded
when it is first used, so that ``bionet --help`` and the reading of a recording stay quick.
"""

import lazy_loader

from bionet.versions import VERSION

__version__ = VERSION
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
