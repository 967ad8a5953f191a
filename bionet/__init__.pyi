"""The public names, listed here alone: for type checkers, and for the loading at first use."""

from . import conversion as conversion
from . import datasets as datasets
from . import equations as equations
from . import figures as figures
from . import inputs as inputs
from . import perturbations as perturbations
from . import study as study
from . import synapse as synapse
from . import train as train
from . import zoo as zoo
from .audits.audit import audit as audit
from .audits.diagnose import diagnose as diagnose
from .audits.diagnose import mended as mended
from .audits.diagnosis import Diagnosis as Diagnosis
from .audits.table import Audit as Audit
from .brian.synapses import SharedSynapses as SharedSynapses
from .conversion import convert as convert
from .equations import NeuronModel as NeuronModel
from .errors import BioNetError as BioNetError
from .errors import InputError as InputError
from .exchange.nir_reading import from_nir as from_nir
from .firing.measurement import f_i as f_i
from .firing.surface import rate_surface as rate_surface
from .network import AveragePool2d as AveragePool2d
from .network import Conv2d as Conv2d
from .network import Dense as Dense
from .network import Largest as Largest
from .network import MaxPool2d as MaxPool2d
from .network import OneToOne as OneToOne
from .network import Population as Population
from .network import Projection as Projection
from .network import Readout as Readout
from .network import Sparse as Sparse
from .network import SpikingNetwork as SpikingNetwork
from .perturbations import perturb as perturb
from .results.recording import Recording as Recording
from .running.build import build as build
from .running.eject import eject as eject
from .running.forecast import forecast as forecast
from .running.simulate import simulate as simulate
from .train.fine_tuning import fine_tune as fine_tune

__version__: str
