import numpy as np
import pytest

import bionet.figures as figures
from bionet.audits.table import Audit, LayerAudit
from bionet.errors import InputError


@pytest.fixture
def pairs():
    random = np.random.default_rng(1)
    activation = random.random((5, 4, 3, 2))
    return {
        "conv1": (activation, np.floor(activation * 50) / 50),
        "fc": (np.array([0.0, 0.2, 0.5, 3.0]), np.array([0.0, 0.1, 0.6, 1.0])),
    }


def row(name, decoded, correlation):
    return LayerAudit(name, 9, decoded, correlation, 0, 0, 0, 0, 0, None, None, {}, "none", False)


def points(ax):
    return np.asarray(ax.collections[0].get_offsets())


def ordered(array):
    return array[np.lexsort(array.T)]


def test_the_points_are_the_pairs(pairs):
    axes = figures.rate_against_activation(pairs)
    assert [ax.get_title() for ax in axes] == ["conv1", "fc"]
    expected = np.stack([values.ravel() for values in pairs["conv1"]], axis=1)
    assert np.allclose(ordered(points(axes[0])), ordered(expected))
    # The pair at rest on both sides is left out.
    assert np.allclose(ordered(points(axes[1])), [[0.2, 0.1], [0.5, 0.6], [3.0, 1.0]])


def test_equality_is_a_dashed_line_over_the_whole_panel(pairs):
    for ax in figures.rate_against_activation(pairs):
        (line,) = ax.lines
        assert line.is_dashed()
        assert np.array_equal(line.get_xdata(), line.get_ydata())
        assert ax.get_xlim() == ax.get_ylim() == tuple(line.get_xdata())
        assert (points(ax) < ax.get_xlim()[1]).all()


def test_the_correlation_stands_in_the_panel(pairs):
    axes = figures.rate_against_activation(pairs)
    expected = np.corrcoef(*pairs["fc"])[0, 1]
    assert axes[1].texts[0].get_text() == f"r = {expected:.4f}"
    silent = {"fc": (np.array([0.1, 0.4]), np.zeros(2))}
    (ax,) = figures.rate_against_activation(silent)
    assert ax.texts[0].get_text() == "r undefined"


def test_labels_say_what_and_in_which_unit(pairs):
    figure = figures.rate_against_activation(pairs)[0].figure
    assert figure.get_supxlabel() == "activation of the trained network / scale"
    assert figure.get_supylabel() == "decoded rate\n(spikes per step)"


def test_an_audit_gives_its_own_correlation_and_names_potentials():
    samples = {
        "fc": np.array([[0.1, 0.5], [0.1, 0.4]], dtype=np.float32),
        "readout": np.array([[-0.5, 0.5], [-0.4, 0.4]], dtype=np.float32),
    }
    rows = (row("fc", "rate", 0.91), row("readout", "potential", float("nan")))
    axes = figures.rate_against_activation(Audit(rows, 3, 10, samples))
    assert [ax.get_title() for ax in axes] == ["fc", "readout: potential per step"]
    assert [ax.texts[0].get_text() for ax in axes] == ["r = 0.9100", "r undefined"]
    assert axes[1].get_xlim()[0] < -0.5


def test_many_points_are_thinned_rasterised_and_the_densest_drawn_last():
    random = np.random.default_rng(0)
    activation = random.exponential(0.1, 100_000)
    (ax,) = figures.rate_against_activation({"conv1": (activation, activation)})
    assert len(points(ax)) == 3000
    assert ax.collections[0].get_rasterized()
    density = ax.collections[0].get_array()
    assert (np.diff(density) >= 0).all()
    assert density[-1] > density[0]


def test_it_draws_into_the_given_axes(pairs):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 3)
    drawn = figures.rate_against_activation(pairs, populations=["fc"], axes=axes)
    assert drawn.tolist() == [axes[0]]
    assert axes[0].get_xlabel() == "activation of the trained network / scale"
    assert axes[0].get_ylabel() == "decoded rate\n(spikes per step)"
    assert not axes[1].collections


@pytest.mark.parametrize(
    ("n", "columns", "grid"), [(1, None, 1), (4, None, 2), (8, None, 3), (8, 4, 4)]
)
def test_panels_stand_in_columns(n, columns, grid):
    data = {f"layer{k}": (np.array([0.1, 0.2]), np.array([0.1, 0.2])) for k in range(n)}
    axes = figures.rate_against_activation(data, columns=columns)
    assert len(axes) == n == len(axes[0].figure.axes)
    assert axes[0].get_subplotspec().get_gridspec().ncols == grid


def test_refusals(pairs):
    import matplotlib.pyplot as plt

    with pytest.raises(InputError, match="no population 'fc9'; there are conv1, fc"):
        figures.rate_against_activation(pairs, populations=["fc9"])
    with pytest.raises(InputError, match="no population to draw"):
        figures.rate_against_activation({})
    with pytest.raises(InputError, match="2 populations need as many axes, but got 1"):
        figures.rate_against_activation(pairs, axes=[plt.subplots()[1]])
    with pytest.raises(InputError, match=r"'fc' must have one shape, but have \(2,\) and \(3,\)"):
        figures.rate_against_activation({"fc": (np.zeros(2), np.zeros(3))})
    with pytest.raises(InputError, match="columns must be at least 1"):
        figures.rate_against_activation(pairs, columns=0)
