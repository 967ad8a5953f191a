# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Neurons with units: a trained network of cells in mV, pA and nS
#
# Leaky integrate-and-fire cells with the parameters of Vogels and Abbott (2005) read digits: first their f-I curve,
# then a network trained through it, then the network of cells with Dale's principle. Everything here runs on NumPy in
# a minute or two.
#
# ## 1. One cell
#
# A neuron model is a differential equation in Brian2's notation, with parameters that have units.

# %%
from brian2 import Hz, ms, pA

import bionet

cell = bionet.equations.lif()
print(cell.equations)
print({name: str(value) for name, value in cell.parameters.items()})

# %% [markdown]
# How often does it fire at a constant current? `f_i` measures that in Brian2 and keeps the curve on disk. The
# **rheobase** is the smallest current at which the cell fires at all.

# %% mystnb={"image": {"alt": "Firing rate against current: none below the rheobase, then a steep rise that flattens"}}
import matplotlib.pyplot as plt

curve = bionet.f_i(cell)
print(f"rheobase: {curve.rheobase / pA:.1f} pA")
figure, ax = plt.subplots(figsize=(3.5, 2.4), layout="constrained")
ax.plot(curve.currents / pA, curve.rates / Hz)
ax.set(xlabel="current (pA)", ylabel="firing rate (Hz)")
figure.show()

# %% [markdown]
# ## 2. A network trained through the cell's own curve
#
# First an ordinary network with ReLUs. Then the cell's curve takes the place of the ReLU, and some more epochs let the
# weights adapt to it; a cost on firing rates keeps the cells in the range of cortical neurons.

# %%
import torch
from torch import nn

torch.manual_seed(0)
train = bionet.datasets.load("digits", split="train")
test = bionet.datasets.load("digits", split="test")
images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)

net = nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))
optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
for _ in range(5):
    for part in torch.randperm(len(labels)).split(50):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images[part]), labels[part]).backward()
        optimiser.step()
net.eval()

rates = bionet.fine_tune(
    net, curve.activation(), train.images, train.labels, epochs=5, progress=False
)
for name, module in {"ReLU": net, "rates": rates}.items():
    with torch.no_grad():
        answers = module(torch.from_numpy(test.images)).argmax(1).numpy()
    print(f"{name}: {(answers == test.labels).mean():.1%} of {len(test.labels)} test digits")

# %% [markdown]
# ## 3. The network of cells
#
# `biophysical` turns weights into synaptic weights in ampere, matches the rates on some training images, and adds a
# readout. Synaptic currents decay with 5 ms. `dale="relay"` gives every population inhibitory partners, so that no
# cell both excites and inhibits (Dale's principle).

# %%
snn = bionet.convert(
    rates,
    method="biophysical",
    calibration=train.images[:20],
    neuron=cell,
    synapse=bionet.synapse.exponential(5 * ms),
    dale="relay",
)
print(snn)
print("Dale's principle holds:", snn.is_dale())

# %%
some, right = test.images[:100], test.labels[:100]
hidden = snn.populations[0].name
run = bionet.simulate(
    snn, some, device="numpy", record={hidden: ["spikes", "v", "I_syn"]}, record_images=[0]
)
seconds = float(run.n_steps * run.dt)
print(f"{run.accuracy(right):.0%} of {len(right)} digits")
print(f"mean rate of {hidden}: {run.counts[hidden].mean() / seconds:.1f} Hz")

# %% [markdown]
# ## 4. What a cell does
#
# Potentials are in mV, and currents in pA.

# %% mystnb={"image": {"alt": "Membrane potentials in mV: cells climb from -60 mV to the threshold at -50 mV and fire"}}
axes = bionet.figures.potentials(run, hidden, image=0)

# %% [markdown]
# A perturbation works here as in any network: membranes that differ from cell to cell, for example.

# %%
from bionet.perturbations import ParameterSpread

uneven = bionet.perturb(snn, [ParameterSpread("C", 0.2)], seed=0)
disturbed = bionet.simulate(uneven, some, device="numpy")
print(f"capacitances with a coefficient of variation of 0.2: {disturbed.accuracy(right):.0%}")

# %% [markdown]
# ## Where to go on
#
# - [All neurons and synapses](../neurons.md), and models of your own.
# - [What the method does](../biophysical.md), and what it reaches on MNIST.
# - [The ladder of realism](../realism.md): which biological constraint costs what.
