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
"""

import importlib
from typing import TYPE_CHECKING, Any

from bionet.errors import BioNetError, InputError

if TYPE_CHECKING:
    from bionet import (
        conversion,
        datasets,
        equations,
        figures,
        inputs,
        perturbations,
        study,
        train,
        zoo,
    )
    from bionet.audits.audit import audit
    from bionet.audits.diagnose import diagnose, mended
    from bionet.audits.diagnosis import Diagnosis
    from bionet.audits.table import Audit
    from bionet.brian.synapses import SharedSynapses
    from bionet.conversion import convert
    from bionet.equations import NeuronModel
    from bionet.equations import synapses as synapse
    from bionet.exchange.nir_reading import from_nir
    from bionet.firing.measurement import f_i
    from bionet.firing.surface import rate_surface
    from bionet.network import (
        AveragePool2d,
        Conv2d,
        Dense,
        Largest,
        MaxPool2d,
        OneToOne,
        Population,
        Projection,
        Readout,
        Sparse,
        SpikingNetwork,
    )
    from bionet.perturbations import perturb
    from bionet.results.recording import Recording
    from bionet.running.build import build
    from bionet.running.eject import eject
    from bionet.running.forecast import forecast
    from bionet.running.simulate import simulate
    from bionet.train.fine_tuning import fine_tune

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "AveragePool2d",
    "BioNetError",
    "Conv2d",
    "Dense",
    "Diagnosis",
    "InputError",
    "Largest",
    "MaxPool2d",
    "NeuronModel",
    "OneToOne",
    "Population",
    "Projection",
    "Readout",
    "Recording",
    "SharedSynapses",
    "Sparse",
    "SpikingNetwork",
    "audit",
    "build",
    "conversion",
    "convert",
    "datasets",
    "diagnose",
    "eject",
    "equations",
    "f_i",
    "figures",
    "forecast",
    "from_nir",
    "fine_tune",
    "inputs",
    "mended",
    "perturb",
    "perturbations",
    "rate_surface",
    "simulate",
    "study",
    "synapse",
    "train",
    "zoo",
]

_NETWORK = (
    "AveragePool2d",
    "Conv2d",
    "Dense",
    "Largest",
    "MaxPool2d",
    "OneToOne",
    "Population",
    "Projection",
    "Readout",
    "Sparse",
    "SpikingNetwork",
)
# Brian2 and torch take seconds to import; a name is loaded when it is first used, so that
# `bionet --help` and the reading of a recording stay quick.
_HOME = dict.fromkeys(_NETWORK, "bionet.network") | {
    "Audit": "bionet.audits.table",
    "NeuronModel": "bionet.equations",
    "Recording": "bionet.results.recording",
    "SharedSynapses": "bionet.brian.synapses",
    "audit": "bionet.audits.audit",
    "diagnose": "bionet.audits.diagnose",
    "mended": "bionet.audits.diagnose",
    "Diagnosis": "bionet.audits.diagnosis",
    "build": "bionet.running.build",
    "convert": "bionet.conversion",
    "from_nir": "bionet.exchange.nir_reading",
    "perturb": "bionet.perturbations",
    "rate_surface": "bionet.firing.surface",
    "eject": "bionet.running.eject",
    "f_i": "bionet.firing.measurement",
    "fine_tune": "bionet.train.fine_tuning",
    "forecast": "bionet.running.forecast",
    "simulate": "bionet.running.simulate",
}
_MODULES = (
    "conversion",
    "datasets",
    "equations",
    "figures",
    "inputs",
    "perturbations",
    "study",
    "train",
    "zoo",
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"bionet.{name}")
    if name == "synapse":
        return importlib.import_module("bionet.equations.synapses")
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bionet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
