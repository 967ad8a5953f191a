"""What a network is shown: static images, movies, events of a camera, spike trains.

Each function returns a :class:`Stimulus`, which :func:`bionet.simulate` and :func:`bionet.build`
take in place of an array of images. What a unit does with its value x is the business of the input
coding, as for static images: a constant current (``coding="analog"``), a Poisson train.

==================================  ==============================================================
function                            x of an input unit
==================================  ==============================================================
:func:`static`                      the pixel, for the whole presentation; durations image by image
:func:`frames`                      the pixel of the frame that is shown
:func:`events`                      1 in the step of an event, else 0 (-1 for an *off* event)
:func:`spike_trains`                1 in the step of a spike, else 0
:func:`replay`                      what a population has emitted in an earlier simulation
:func:`saccades`                    events of a camera that moves over still images
==================================  ==============================================================

Of a network that takes several tensors, :func:`joined` makes the images of its one input.
"""

from bionet.inputs.camera import Events, events
from bionet.inputs.movie import Frames, frames
from bionet.inputs.pixels import StaticImages, static
from bionet.inputs.saccades import saccades
from bionet.inputs.stimulus import Stimulus
from bionet.inputs.trains import SpikeTrains, replay, spike_trains
from bionet.network.joined_inputs import joined

__all__ = [
    "Events",
    "Frames",
    "SpikeTrains",
    "StaticImages",
    "Stimulus",
    "events",
    "frames",
    "joined",
    "replay",
    "saccades",
    "spike_trains",
    "static",
]
