# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A robustness study: which input code withstands which noise?
#
# A study simulates every combination of network, method, coding, perturbation, level and seed, and keeps each result.
# This one compares pixels as constant currents with pixels as Poisson spike trains, and takes a minute on NumPy.
#
# ## 1. The network
#
# A study finds a network by its name in the zoo, or as `module:function` with a file of weights.

# %%
from pathlib import Path

_ = Path("my_network.py").write_text('''
from torch import nn


def small():
    """A network for images of 28 x 28 pixels and ten classes."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 10)
    )
''')

# %%
import torch
from my_network import small
from safetensors.torch import save_file
from torch import nn

import bionet

torch.manual_seed(0)
train = bionet.datasets.load("digits", split="train")
images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)
net = small()
optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
for _ in range(5):
    for part in torch.randperm(len(labels)).split(50):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images[part]), labels[part]).backward()
        optimiser.step()
save_file(net.state_dict(), "small.safetensors")

# %% [markdown]
# ## 2. The question, as a file
#
# A study is a TOML file. Levels have the unit of the perturbation: noise in thresholds per square root of a
# millisecond, a share of spikes that fail, a standard deviation of the pixels.

# %%
study = """
name = "input-codes"
description = "Constant currents against Poisson spike trains"
data = "digits"
images = 50
seeds = [0, 1]
device = "numpy"

[[network]]
name = "my_network:small"
weights = "small.safetensors"

[[method]]
name = "rate"
codings = ["analog", "poisson"]
duration = "20ms"

[[perturbation]]
name = "membrane_noise"
levels = [0, 0.3, 0.6]

[[perturbation]]
name = "synaptic_failure"
levels = [0, 0.4, 0.8]
"""
_ = Path("codes.toml").write_text(study)

# %% [markdown]
# On the command line `bionet study codes.toml --dry-run` says how long it will take. In Python:

# %%
table = bionet.study.run("codes.toml", "runs/codes", jobs=1)
print(bionet.study.summary(table)[["coding", "perturbation", "level", "accuracy", "low", "high"]])

# %% [markdown]
# ## 3. The figure
#
# Lines are means over the seeds, bands the 95 % interval over the images.

# %% mystnb={"image": {"alt": "Accuracy against membrane noise and against failing synapses, for both input codes"}}
axes = bionet.figures.accuracy_against_perturbation(table)

# %% [markdown]
# ## 4. Watch, end, and extend
#
# A study may be ended at any time, and the same command goes on. What is finished is known by its content: with
# `extend` a study that has got another level, seed or coding simulates only what is new.

# %%
_ = Path("codes.toml").write_text(study.replace("[0, 0.3, 0.6]", "[0, 0.3, 0.6, 1.2]"))
more = bionet.study.run("codes.toml", "runs/codes", jobs=1, extend=True)
print(f"{len(table)} cells, then {len(more)}")
print(bionet.study.status("runs/codes"))

# %% [markdown]
# The command line watches, ends and extends a study from another terminal (`bionet study cancel runs/codes`):
#
# ```sh
# bionet study status runs/codes
# ```
#
# ## Where to go on
#
# - [Studies](../studies.md): all keys of the file, the columns of the table, studies on a cluster.
# - [Perturbations](../perturbations.md), and one of your own.
# - [The studies that come with BioNet](../ready-studies.md), with what they say.
