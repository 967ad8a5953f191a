"""Recordings in Neo, NWB, xarray, pandas and SONATA, read back by those tools themselves."""

import sys

import numpy as np
import pytest
from brian2 import ms

import bionet
from bionet import equations
from bionet.network import Population, Projection, Readout, SpikingNetwork
from bionet.network.kernels import Dense

IMAGES, STEPS = 5, 40
RECORDED = (1, 3)


@pytest.fixture(scope="module")
def run():
    """Six by two units in two channels, read out by three; images 1 and 3 recorded."""
    rng = np.random.default_rng(0)
    snn = bionet.SpikingNetwork(
        (
            bionet.Population("conv", (2, 3, 2), equations.augmented()),
            bionet.Population("out", (3,), equations.integrate_and_fire()),
        ),
        (
            bionet.Projection("input", "conv", bionet.Conv2d(rng.normal(0, 1.5, (2, 1, 1, 1)))),
            bionet.Projection("conv", "out", bionet.Dense(rng.normal(0.2, 0.5, (3, 12)))),
        ),
        (1, 3, 2),
        bionet.Readout("out", "out", "MS"),
    )
    return bionet.simulate(
        snn,
        rng.random((IMAGES, 1, 3, 2)),
        duration=STEPS * 0.5 * ms,
        dt=0.5 * ms,
        device="numpy",
        record={"conv": {"spikes": True, "v": [2, 7]}, "out": ["spikes", "v"]},
        record_images=RECORDED,
    )


def _times(run, name, image, unit):
    spikes = run.spikes(name, image)
    return spikes.step[spikes.unit == unit] * 0.5


def test_neo_has_every_unit_of_every_image(run):
    pytest.importorskip("neo")
    block = run.to_neo()
    assert [s.annotations["image"] for s in block.segments] == list(RECORDED)
    for segment, image in zip(block.segments, RECORDED, strict=True):
        assert len(segment.spiketrains) == 12 + 3
        assert segment.annotations["prediction"] == run.predictions()[image]
        for train in segment.spiketrains:
            name, unit = train.annotations["population"], train.annotations["unit"]
            expected = _times(run, name, image, unit)
            np.testing.assert_allclose(train.rescale("ms").magnitude, expected)
            assert float(train.t_stop.rescale("ms")) == STEPS * 0.5
        eleven = segment.spiketrains[11].annotations
        assert [eleven[k] for k in ("channel", "row", "column")] == [1, 2, 1]
        signal = next(s for s in segment.analogsignals if s.annotations["population"] == "conv")
        np.testing.assert_array_equal(signal.magnitude, run.potential("conv", image))
        assert signal.array_annotations["unit"].tolist() == [2, 7]
        assert float(signal.sampling_period.rescale("ms")) == 0.5
    sizes = np.concatenate(
        [t.array_annotations["amplitude"] for t in block.segments[0].spiketrains[:12]]
    )
    assert sizes.sum() == run.spikes("conv", 1).amplitude.sum() and sizes.min() < 0


@pytest.mark.slow  # Elephant takes seconds to import
def test_elephant_reads_the_block(run):
    pytest.importorskip("elephant")
    from elephant.statistics import cv, fanofactor, isi

    trains = run.to_neo(populations=["conv"]).segments[0].spiketrains
    counts = [len(t) for t in trains]
    assert fanofactor(list(trains)) == pytest.approx(np.var(counts) / np.mean(counts))
    busy = max(trains, key=len)
    intervals = np.diff(_times(run, "conv", 1, busy.annotations["unit"]))
    assert cv(isi(busy)) == pytest.approx(intervals.std() / intervals.mean())


def test_nwb_is_read_and_inspected(run, tmp_path):
    pynwb = pytest.importorskip("pynwb")
    labels = np.arange(IMAGES)
    who = {"experimenter": "Hodgkin, Alan", "institution": "Plymouth"}
    path = run.to_nwb(tmp_path / "run.nwb", labels=labels, **who)
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        trials, units = file.trials.to_dataframe(), file.units.to_dataframe()
        series = file.processing["icephys"]["potential_out"].data[:]
    assert trials["image"].tolist() == trials["label"].tolist() == list(RECORDED)
    assert trials["start_time"].tolist() == [0.0, STEPS * 0.0005]
    assert len(units) == 15
    for _, unit in units.iterrows():
        name, number = unit["population"], unit["unit_in_population"]
        expected = [_times(run, name, i, number) + k * STEPS * 0.5 for k, i in enumerate(RECORDED)]
        np.testing.assert_allclose(unit["spike_times"] * 1000, np.concatenate(expected))
    np.testing.assert_array_equal(
        series, np.concatenate([run.potential("out", i) for i in RECORDED])
    )
    assert _suggestions(path) == []
    assert _suggestions(run.to_nwb(tmp_path / "nobody.nwb")) == [
        "Experimenter is missing.",
        "Metadata /general/institution is missing.",
    ]


def _suggestions(path):
    """All that nwbinspector has to say, down to its mildest advice."""
    inspector = pytest.importorskip("nwbinspector")
    mildest = inspector.Importance.BEST_PRACTICE_SUGGESTION
    messages = inspector.inspect_nwbfile(nwbfile_path=path, importance_threshold=mildest)
    return [m.message for m in messages]


def test_more_units_than_samples_are_parts_of_a_series(run, tmp_path):
    """The longest dimension of a series is taken for time by those who read NWB."""
    pynwb = pytest.importorskip("pynwb")
    population = bionet.Population("cells", (5, 3), equations.integrate_and_fire())
    projection = bionet.Projection("input", "cells", bionet.Dense(np.eye(15)))
    snn = bionet.SpikingNetwork(
        (population,), (projection,), (15,), bionet.Readout("cells", "cells", "MS")
    )
    options = {"duration": 2 * ms, "device": "numpy", "record": {"cells": ["v"]}}
    wide = bionet.simulate(snn, np.arange(45).reshape(3, 15) / 45, **options)
    path = wide.to_nwb(
        tmp_path / "wide.nwb", experimenter=["Hodgkin, Alan"], institution="Plymouth"
    )
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        module = io.read().processing["icephys"]
        names = [f"potential_cells_part_{part}" for part in (1, 2, 3)]
        assert sorted(module.data_interfaces) == names
        values = np.concatenate([module[name].data[:] for name in names], axis=1)
        assert module[names[2]].comments == "units 12 13 14"
    both = np.concatenate([wide.potential("cells", image) for image in range(3)])
    np.testing.assert_array_equal(values, both)
    assert _suggestions(path) == []


def test_xarray_names_dimensions_and_units(run):
    pytest.importorskip("xarray")
    data = run.to_xarray()
    assert data["counts_conv"].dims == ("image", "conv_channel", "conv_row", "conv_column")
    np.testing.assert_array_equal(data["counts_conv"], run.counts["conv"])
    assert data["time"].attrs["units"] == "ms" and float(data["time"][-1]) == STEPS * 0.5
    one = data["potential_conv"].sel(recorded_image=3, conv_recorded_unit=7)
    np.testing.assert_array_equal(one, run.potential("conv", 3)[:, 1])
    assert data.sizes["out_spike"] == len(run.recorded_spikes["out"])
    assert data.attrs["network"] == run.parameters["network"]


def test_pandas_tables_agree_with_the_counts(run):
    spikes = run.to_pandas()
    assert set(spikes["image"]) == set(RECORDED)
    by_unit = spikes[spikes["population"] == "out"].groupby(["image", "unit"]).size()
    for (image, unit), n in by_unit.items():
        assert n == run.counts["out"][image, unit]
    counts = run.to_pandas("counts", ["conv"])
    np.testing.assert_array_equal(counts["count"], run.counts["conv"].ravel())
    eight = counts[(counts["image"] == 4) & (counts["channel"] == 1) & (counts["row"] == 1)]
    np.testing.assert_array_equal(eight["count"], run.counts["conv"][4, 1, 1])
    images = run.to_pandas("images")
    np.testing.assert_array_equal(images["prediction_MS"], run.predictions("MS"))
    np.testing.assert_array_equal(images["spikes_out"], run.counts["out"].sum(axis=1))


def test_sonata_counts_time_through_the_images(run, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(run.to_sonata(tmp_path / "spikes.h5", ["out"])) as file:
        assert file.attrs["magic"] == 0x0A7A and list(file["spikes"]) == ["out"]
        times, units = file["spikes/out/timestamps"][:], file["spikes/out/node_ids"][:]
        assert file["spikes/out/timestamps"].attrs["units"] == "milliseconds"
        assert file["bionet/onsets"][:].tolist() == [0.0, STEPS * 0.5]
    assert (np.diff(times) >= 0).all()
    for unit in range(3):
        expected = [_times(run, "out", i, unit) + k * STEPS * 0.5 for k, i in enumerate(RECORDED)]
        np.testing.assert_allclose(times[units == unit], np.concatenate(expected))


def test_refusals(run, tmp_path, monkeypatch):
    for make, match in (
        (lambda: run.to_neo(["fc1"]), "spikes of 'fc1' were not recorded .recorded: conv, out."),
        (lambda: run.to_neo(images=[0]), "image 0 was not recorded; 2 images were"),
        (lambda: run.to_pandas("rates"), "gives 'spikes', 'counts' or 'images'"),
        (lambda: run.to_pandas("counts", ["input"]), "'input' does not fire; those that do: conv"),
        (lambda: run.to_nwb(tmp_path / "x.nwb", labels=[1]), "labels must be 5 classes"),
    ):
        with pytest.raises(bionet.InputError, match=match):
            make()
    empty = bionet.Recording(run.shapes, run.counts, run.output_potential, run.output_spikes, {})
    with pytest.raises(bionet.InputError, match="nothing was recorded"):
        empty.to_sonata(tmp_path / "x.h5")
    with pytest.raises(bionet.InputError, match="no spikes were recorded"):
        empty.to_pandas()


@pytest.mark.parametrize(
    ("method", "package", "extra"),
    [
        ("to_neo", "neo", "neo"),
        ("to_xarray", "xarray", "xarray"),
        ("to_nwb", "pynwb", "nwb"),
        ("to_sonata", "h5py", "hdf5"),
    ],
)
def test_a_missing_package_is_one_line(run, monkeypatch, method, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    arguments = ["x"] if method in ("to_nwb", "to_sonata") else []
    with pytest.raises(bionet.InputError, match=rf"package {package}.*bionet\[{extra}\]"):
        getattr(run, method)(*arguments)


def test_potentials_and_currents_keep_their_units(tmp_path):
    """Cells in mV and pA: Neo and NWB say volt and ampere, and hold the recording's values."""
    from brian2 import amp, pA, volt

    from bionet.equations import integrator, lif

    neo, pynwb = pytest.importorskip("neo"), pytest.importorskip("pynwb")
    cell = bionet.synapse.exponential(5 * ms).on(lif())
    populations = (
        Population("cells", (3,), cell, {"I": 150 * pA}),
        Population("readout", (3,), integrator()),
    )
    projections = (
        Projection("input", "cells", Dense(np.eye(3)), gain=50 * pA),
        Projection("cells", "readout", Dense(np.eye(3))),
    )
    snn = SpikingNetwork(
        populations, projections, (3,), Readout("cells", "readout"), coding="poisson"
    )
    run = bionet.simulate(
        snn, np.ones((1, 3)), 20 * ms, 0.5 * ms, device="numpy", record={"cells": ["v", "I_syn"]}
    )
    signals = {s.name: s for s in run.to_neo().segments[0].analogsignals}
    assert isinstance(signals["cells v"], neo.AnalogSignal)
    assert str(signals["cells v"].dimensionality) == "V"
    assert str(signals["cells I_syn"].dimensionality) == "A"
    np.testing.assert_allclose(signals["cells v"].magnitude, run.potential("cells") / volt)
    path = run.to_nwb(tmp_path / "cells.nwb")
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        module = io.read().processing["icephys"]
        assert module["potential_cells"].unit == "volts"
        assert module["I_syn_cells"].unit == "amperes"
        current = module["I_syn_cells"].data[:]
    np.testing.assert_allclose(current, run.variable("cells", "I_syn") / amp)
    assert current.max() > 0
