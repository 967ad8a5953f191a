# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # First network: from PyTorch to spikes
#
# Train a small network in PyTorch, convert it, simulate it, look at its spikes, and ask how robust it is. Everything
# runs as printed, in its order, in a minute or two and without a download. This page is a notebook:
# Jupyter opens its file `docs/tutorials/first_network.py` with
# [jupytext](https://jupytext.readthedocs.io).
#
# ## 1. A network, trained in PyTorch
#
# Any `torch.nn.Module` will do; [operations](../operations.md) lists which layers each method takes. Put the network
# into a file of its own, so that the command line finds it too.

# %%
from pathlib import Path

_ = Path("my_network.py").write_text('''
from torch import nn


def small():
    """A network for images of 28 x 28 pixels and ten classes."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 6 * 6, 10),
    )
''')

# %% [markdown]
# BioNet comes with 5,000 handwritten digits of MNIST: 4,000 to train with and 1,000 to test on. They train this
# network in seconds.

# %%
import torch
from my_network import small
from torch import nn

import bionet

torch.manual_seed(0)
train = bionet.datasets.load("digits", split="train")
test = bionet.datasets.load("digits", split="test")
images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)

net = small()
optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
for _ in range(5):
    for part in torch.randperm(len(labels)).split(50):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images[part]), labels[part]).backward()
        optimiser.step()
net.eval()
with torch.no_grad():
    answers = net(torch.from_numpy(test.images)).argmax(1).numpy()
print(f"network: {(answers == test.labels).mean():.1%} of {len(test.labels)} test digits")

# %% [markdown]
# ## 2. The spiking network
#
# `convert` follows the computation of the module and gives a `SpikingNetwork`: populations with a neuron model each,
# projections, and a readout. The [`rate`](../rate.md) method measures the activations of some training images, and
# scales the weights so that no neuron has to fire faster than once in a step.

# %%
snn = bionet.convert(net, method="rate", calibration=train.images[:300], input_shape=(1, 28, 28))
print(snn)
print(snn.population("conv0").model.equations)
_ = snn.save("small.snn")

# %% [markdown]
# ## 3. Simulate it
#
# Times have units. `device="numpy"` starts at once; the default, `"cpp_standalone"`, first compiles a program and is
# then hundreds of times as fast.

# %%
from brian2 import ms

some, right = test.images[:100], test.labels[:100]
run = bionet.simulate(
    snn,
    some,
    duration=30 * ms,
    device="numpy",
    record={"conv0": ["spikes", "v"], "linear4": ["spikes"]},
    record_images=[0, 1],
    final_potentials=True,
)
print(f"spiking network: {run.accuracy(right):.1%} of {len(right)} digits")
print(f"spikes of an image: {run.n_spikes}")
print(run.spikes("linear4", image=0).time[:5], run.spikes("linear4", image=0).unit[:5])

# %% [markdown]
# ## 4. Does every layer do what it should?
#
# The audit compares each population with the layer that it stands for, and names the first one that deviates.

# %%
audit = bionet.audit(net, snn, run, some)
print(audit)

# %% [markdown]
# ## 5. Figures
#
# A figure is drawn from a run, into an axis of your own or a new one.

# %% mystnb={"image": {"alt": "Raster: the input is a constant current, conv0 fires densely, linear4 in a few units"}}
from bionet import figures

ax = figures.raster(run, image=0)
_ = figures.save(ax, "raster.pdf")

# %% mystnb={"image": {"alt": "Membrane potentials of conv0 climb to the threshold, fire and begin again"}}
axes = figures.potentials(run, "conv0", image=0)

# %% mystnb={"image": {"alt": "Firing rates of both layers lie on the line of equality with the activations"}}
axes = figures.rate_against_activation(audit)

# %% [markdown]
# ## 6. How robust is it?
#
# A [perturbation](../perturbations.md) changes the equations, the parameters or the weights. Here the membrane gets
# noise, and a share of the units never fires.

# %% mystnb={"image": {"alt": "Accuracy falls with the noise of the membrane, and with the share of dead units"}}
import pandas as pd

from bionet.perturbations import DeadUnits, MembraneNoise

rows = []
for kind in (MembraneNoise, DeadUnits):
    for level in (0, 0.3, 0.6):
        disturbed = bionet.perturb(snn, [kind(level)], seed=0)
        noisy = bionet.simulate(disturbed, some, 30 * ms, device="numpy", seed=0)
        correct = int((noisy.predictions() == right).sum())
        row = {"coding": "analog", "perturbation": kind.name, "unit": kind.unit, "level": level}
        rows.append(row | {"n_images": len(right), "correct": correct})
table = pd.DataFrame(rows)
print(table)
axes = figures.accuracy_against_perturbation(table)

# %% [markdown]
# For several codings, seeds and all cores, write a study: the
# [next tutorial but one](robustness_study.py) does.
#
# ## 7. The same on the command line
#
# Weights are kept as safetensors; a pickle is never loaded.

# %%
from safetensors.torch import save_file

save_file(net.state_dict(), "small.safetensors")

# %% [markdown]
# ```sh
# bionet convert my_network:small --weights small.safetensors --data digits --out small.snn
# bionet simulate small.snn --images 20 --duration 30ms --device numpy \
#     --record all:spikes --record conv0:v --out runs/small
# bionet audit my_network:small small.snn --weights small.safetensors --images 20 --device numpy \
#     --out runs/small-audit
# bionet figure raster runs/small --out raster.svg
# bionet report runs/small
# ```
#
# ## Where to go on
#
# - Neurons in mV and pA: [the next tutorial](biophysical_neurons.py).
# - Neuron equations of your own: [simulation](../simulation.md#own-neuron-equations).
# - Disturbances of your own: [perturbations](../perturbations.md#a-perturbation-of-ones-own).
# - Other ways to convert: [`dsnn`](../dsnn.md), [`tdsnn`](../tdsnn.md), [`ttfs`](../ttfs.md),
#   [`augmapping`](../augmapping.md), [`threshold_search`](../threshold-search.md).
# - Without BioNet: [a plain Brian2 script](../eject.md) of the network.
