"""Phase and burst neurons against their closed forms, and networks of them."""

import numpy as np
import pytest
import torch
from torch import nn

import bionet
from bionet.equations.weighted_spikes import (
    binary_digits,
    burst,
    growing_burst,
    phase,
)
from bionet.errors import InputError
from bionet.network import Dense, Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import OneToOne


def sums(model, drive=0.0, charge=0.0, steps=8, coding="analog", **given):
    """Sum of the sizes of a unit's spikes, for many drives or charges at once; what is left."""
    drive, charge = np.broadcast_arrays(np.atleast_1d(drive), np.atleast_1d(charge))
    shape = (len(drive),)
    lines = f"{model.equations}\ncharge : 1 (constant)"
    fields = {n: getattr(model, n) for n in ("threshold", "reset", "update", "amplitude", "final")}
    initial = {**dict(model.initial), "v": "charge"}
    charged = bionet.NeuronModel(
        model.name, lines, parameters={**model.parameters, "charge": 0.0}, initial=initial, **fields
    )
    population = Population("unit", shape, charged, {"I": drive, "charge": charge})
    snn = SpikingNetwork(
        (population,),
        (Projection("input", "unit", Dense(np.zeros((len(drive), 1)))),),
        (1,),
        Readout("unit", "unit"),
    )
    from brian2 import ms

    run = bionet.simulate(
        snn, np.zeros((1, 1)), steps * ms, device="numpy", dtype="float64", **given
    )
    return run.final_values["unit", "total"][0], run.output_potential[0, -1]


@pytest.mark.parametrize("period", [3, 8])
def test_a_charge_leaves_by_its_binary_digits(period):
    """2^-K floor(2^K min(V, 1 - 2^-K)), period after period."""
    charge = np.array([0.0, 0.1, 0.5, 0.49999, 0.875, 0.99, 1.0, 2.7])
    left, sent = charge.copy(), np.zeros(len(charge))
    for periods in (1, 2):
        shown = np.floor(2.0**period * np.clip(left, 0, 1 - 2.0**-period)) / 2.0**period
        sent, left = sent + shown, left - shown
        total, v = sums(phase(period), charge=charge, steps=periods * period)
        assert np.array_equal(total, sent)
        assert np.allclose(v, left, atol=1e-15)


def test_a_burst_sends_floor_of_the_drive_up_to_its_limit():
    """N = floor(aT) for a <= M, and M a step above."""
    drive = np.array([0.0, 0.3125, 1.0, 2.53125, 4.96875, 5.0, 7.0])
    total, v = sums(burst(5), drive=drive, steps=20)
    assert np.array_equal(total, np.minimum(np.floor(drive * 20), 100))
    assert np.allclose(total + v, drive * 20)


@pytest.mark.parametrize("beta", [1.0, 2.0, 1.5])
def test_a_growing_burst_follows_its_recursion(beta):
    charge = np.array([0.5, 1.0, 3.0, 7.0, 8.0, 100.0])
    v, g, sent = charge.copy(), np.ones(len(charge)), np.zeros(len(charge))
    for _ in range(24):
        fires = v >= g
        sent += g * fires
        v -= g * fires
        g = np.where(fires, beta * g, 1.0)
    total, left = sums(growing_burst(beta), charge=charge, steps=24)
    assert np.allclose(total, sent)
    assert np.allclose(left, v)
    if beta == 2:  # whole numbers leave in full
        assert np.array_equal(total, np.floor(charge))


def test_pixels_of_8_bits_are_sent_exactly_in_each_period():
    images = (np.arange(256) / 255)[None]
    snn = SpikingNetwork(
        (Population("unit", (256,), burst(1)),),
        (Projection("input", "unit", OneToOne()),),
        (256,),
        Readout("unit", "unit"),
        coding="phase",
    )
    from brian2 import ms

    run = bionet.simulate(snn, images, 16 * ms, device="numpy", dtype="float64")
    assert np.allclose(run.final_values["input", "total"], 2 * images, atol=1e-14)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 5),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def images():
    return (np.random.default_rng(0).integers(0, 256, (6, 1, 10, 10)) / 255).astype(np.float32)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("phase", {"periods": 8}),
        ("burst", {"steps": 64}),
        ("burst", {"steps": 64, "kind": "growing"}),
    ],
)
def test_networks_obey_the_closed_form_and_approach_their_source(net, images, method, options):
    snn = bionet.convert(net, method, calibration=images, **options)
    run = bionet.simulate(snn, images, device="numpy", dtype="float64", final_potentials=True)
    outputs = net(torch.tensor(images)).detach().numpy()
    assert run.output_error(outputs) < 0.02
    audit = bionet.audit(net, snn, run, images)
    assert audit.first_bad is None
    assert max(row.residual or 0 for row in audit.rows) < 1e-12
    # A pool's unit has sent the largest sum of its pool.
    source = next(q.source for q in snn.projections if q.kernel.kind == "max_pool2d")
    pool = next(q.target for q in snn.projections if q.kernel.kind == "max_pool2d")
    largest = torch.nn.functional.max_pool2d(torch.tensor(run.final_values[source, "total"]), 2)
    assert np.array_equal(run.final_values[pool, "total"], largest.numpy())


def test_a_phase_network_is_saved_and_refuses_other_codings(net, images, tmp_path):
    snn = bionet.convert(net, "phase", calibration=images, period=4, periods=2)
    again = SpikingNetwork.load(snn.save(tmp_path / "phase.snn"))
    assert again == snn
    from brian2 import ms

    with pytest.raises(InputError, match="no whole number of periods of 4"):
        bionet.simulate(again, images, 10 * ms, device="numpy")
    with pytest.raises(InputError, match="so its coding is 'phase'"):
        bionet.simulate(again, images, coding="poisson", device="numpy")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: phase(0), "period must be a whole number"),
        (lambda: burst(2.5), "most must be a whole number"),
        (lambda: growing_burst(0.5), "beta must be a number >= 1"),
        (lambda: burst(2, 0.0), "the threshold must be above 0"),
        (lambda: binary_digits(0), "period must be a whole number"),
        (lambda: bionet.network.PhaseCode(0), "PhaseCode.period must be"),
    ],
)
def test_parameters_out_of_range(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("phase", {"period": 0}, "period of method 'phase'"),
        ("burst", {"kind": "long"}, "kind of method 'burst' must be 'count' or 'growing'"),
        ("burst", {"readout": "LS"}, "readout of method 'burst' must be 'MP', 'MS' or 'FS'"),
        ("burst", {"calibration": None, "input_shape": (1, 10, 10)}, "pass calibration=images"),
    ],
)
def test_options_out_of_range(net, images, method, options, message):
    with pytest.raises(InputError, match=message):
        bionet.convert(net, method, **{"calibration": images, **options})


@pytest.mark.devices
@pytest.mark.parametrize("method", ["phase", "burst"])
def test_the_same_on_all_devices(net, images, method):
    snn = bionet.convert(net, method, calibration=images)
    runs = [
        bionet.simulate(snn, images, device=device, dtype="float64")
        for device in ("numpy", "cython", "cpp_standalone")
    ]
    for run in runs[1:]:
        assert (run.output_potential == runs[0].output_potential).all()
        for key, values in runs[0].final_values.items():
            assert (run.final_values[key] == values).all()
