"""Networks of neurons with units fire the same spikes on every device, whatever their synapses."""

import numpy as np
import pytest
import torch
from brian2 import ms, mV
from torch import nn

import bionet
from bionet.firing.twin import twin
from bionet.perturbations import SpikeTimeJitter, perturb

IMAGES = np.random.default_rng(0).random((3, 12)).astype(np.float32)
SYNAPSES = {
    "exponential": bionet.synapse.exponential(5 * ms),
    "alpha": bionet.synapse.alpha(4 * ms),
    "conductance": bionet.synapse.conductance(0 * mV, -80 * mV, 5 * ms, 8 * ms),
    "tsodyks_markram": bionet.synapse.tsodyks_markram(0.5, 60 * ms, 20 * ms),
}
CASES = {
    "lif, exponential, Dale's principle": ("lif", "exponential", {"dale": "relay"}),
    "lif, alpha, delays that differ, jitter": ("lif", "alpha", {"delay_spread": 0.5 * ms}),
    "adex, conductance, delays that differ": (
        "adex",
        "conductance",
        {"dale": "relay", "delay_spread": 0.5 * ms},
    ),
    "izhikevich, short-term plasticity": ("izhikevich", "tsodyks_markram", {}),
}


def network(neuron, synapse, options):
    """Rates of both signs, carried by neurons with units."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight *= 5
    curve = bionet.f_i(getattr(bionet.equations, neuron)()).activation()
    return bionet.convert(
        twin(net, curve),
        method="biophysical",
        input_shape=(12,),
        passes=0,
        neuron=neuron,
        synapse=SYNAPSES[synapse],
        duration=40 * ms,
        **options,
    )


@pytest.mark.devices
@pytest.mark.parametrize("case", CASES)
def test_the_devices_agree_to_the_spike(case):
    """AdEx has an exponential, which NumPy rounds otherwise than compilers: counts are close."""
    snn = network(*CASES[case])
    if "jitter" in case:
        snn = perturb(snn, [SpikeTimeJitter(0.5 * ms)], seed=1)
    devices = ("cython", "cpp_standalone", "numpy")
    runs = [
        bionet.simulate(snn, IMAGES, dtype="float64", device=device, record="all:spikes")
        for device in devices
    ]
    if "adex" in case:
        totals = [sum(int(counts.sum()) for counts in run.counts.values()) for run in runs]
        assert totals[2] == pytest.approx(totals[1], rel=0.01)
        del runs[2]
    for name in runs[0].counts:
        for other in runs[1:]:
            np.testing.assert_array_equal(other.counts[name], runs[0].counts[name], err_msg=name)
    for name in runs[0].recorded_spikes:
        for other in runs[1:]:
            for image in range(len(IMAGES)):
                for mine, theirs in zip(
                    runs[0].spikes(name, image), other.spikes(name, image), strict=True
                ):
                    np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))
    assert runs[0].counts["linear0"].any()
