"""Options that several commands share: type, flag, one line of help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "Converted",
    "OriginalWeights",
    "Original",
    "Coding",
    "Data",
    "DataDir",
    "Device",
    "Dt",
    "Dtype",
    "Duration",
    "Force",
    "InputShape",
    "Lanes",
    "MaxRate",
    "NoSeed",
    "Processes",
    "ProgressBar",
    "Readout",
    "Seed",
    "Split",
    "Trust",
    "Weights",
]

Option = typer.Option

Data = Annotated[
    str,
    Option(help="digits, mnist, fashion-mnist, cifar10, or an .npz file with images and labels."),
]
DataDir = Annotated[
    Path | None, Option(help="Folder that holds the data sets' folders.  [default: $BIONET_DATA]")
]
Split = Annotated[Literal["train", "test"], Option(help="Which part of the data set.")]
Weights = Annotated[
    str | None,
    Option(help="Data set that shipped weights were trained on, or a safetensors file."),
]
Original = Annotated[
    str, typer.Argument(help="The network that was converted: lenet5, or module:function.")
]
Converted = Annotated[Path, typer.Argument(metavar="SNN", help="The .snn file of bionet convert.")]
OriginalWeights = Annotated[
    str | None, Option(help="Weights of NETWORK, as for convert.  [default: those converted]")
]
InputShape = Annotated[
    str | None,
    Option(help="Shape of one image, such as 1,28,28.  [default: that of the data]"),
]
Duration = Annotated[
    str | None,
    Option(
        help="Length of a presentation, with its unit: 0.1s.  [default: the network's, or 50ms]"
    ),
]
Dt = Annotated[
    str | None,
    Option(help="Simulation step, with its unit: 500us.  [default: the network's, or 1ms]"),
]
Coding = Annotated[
    str | None,
    Option(
        help="Input coding: analog, poisson, uniform, reverse, that of an installed package, or"
        " module:function.  [default: the network's own]"
    ),
]
MaxRate = Annotated[
    str | None,
    Option(help="Rate of an input of value 1, with its unit: 100Hz.  [default: a spike a step]"),
]
Device = Annotated[
    Literal["cpp_standalone", "cython", "numpy"], Option(help="Code generation of Brian2.")
]
Lanes = Annotated[
    int | None, Option(help="Images simulated side by side.  [default: by the network's size]")
]
Processes = Annotated[
    int | None, Option(help="Processes that share the images.  [default: by the cores]")
]
Dtype = Annotated[
    Literal["float32", "float64"] | None,
    Option(help="Precision of the potentials.  [default: the network's, or float32]"),
]
Readout = Annotated[
    Literal["MP", "MS", "FS", "LS"] | None,
    Option(
        help="Maximal potential, most spikes, first or latest spike.  [default: the network's own]",
        case_sensitive=False,
    ),
]
Seed = Annotated[int, Option(min=0, help="Selects all random numbers.")]
NoSeed = Annotated[
    int, Option(min=0, help="Noted in run.json; this command draws no random numbers.")
]
Trust = Annotated[
    bool,
    Option(
        "--trust",
        help="Import the module:function that made the network of this run: your own runs only.",
    ),
]
Force = Annotated[bool, Option("--force", help="Replace results that are there already.")]
ProgressBar = Annotated[
    bool, Option("--progress/--no-progress", help="Show progress with rate and time left.")
]
