import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import bionet.figures as figures
from bionet.errors import InputError
from bionet.figures.house_style import COLUMN

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def plain():
    figure = Figure()
    figure.add_subplot().plot([0, 1], [0, 1])
    return figure


def test_the_style_holds_inside_and_is_gone_outside():
    before = dict(mpl.rcParams)
    with figures.style():
        assert mpl.rcParams["font.size"] == 7
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"][0] == "#0072B2"
    assert dict(mpl.rcParams) == before


def test_the_style_is_gone_after_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(ValueError, match="from inside"), figures.style():
        raise ValueError("from inside")
    assert dict(mpl.rcParams) == before


def test_new_figures_are_one_column_wide_and_legible(run):
    ax = figures.raster(run)
    assert ax.figure.get_size_inches()[0] == pytest.approx(COLUMN)
    ax.figure.canvas.draw()
    texts = [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
    assert min(text.get_fontsize() for text in texts) >= 6


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_save_writes_by_suffix(run, tmp_path, suffix):
    path = tmp_path / f"raster{suffix}"
    assert figures.save(figures.raster(run), path) == [path]
    assert path.read_bytes().startswith(MAGIC[suffix.lower()])


def test_save_writes_all_three_without_a_suffix(run, tmp_path):
    axes = figures.rate_against_activation({"fc": (np.array([0.1, 0.2]), np.array([0.1, 0.2]))})
    written = figures.save(axes, tmp_path / "new" / "rates")
    assert [path.name for path in written] == ["rates.png", "rates.svg", "rates.pdf"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        path.name for path in written
    )


def test_a_png_has_300_dots_per_inch(run, tmp_path):
    (path,) = figures.save(figures.raster(run), tmp_path / "raster.png")
    width = mpl.image.imread(path).shape[1]
    assert width == pytest.approx(300 * COLUMN, abs=1)


def test_text_stays_text_in_svg(run, tmp_path):
    (path,) = figures.save(figures.raster(run), tmp_path / "raster.svg")
    assert "time (ms)" in path.read_text()


def test_the_same_figure_gives_the_same_file(run, tmp_path):
    first = figures.save(figures.raster(run), tmp_path / "a")
    second = figures.save(figures.raster(run), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_an_axes_in_a_subfigure_saves_the_whole_figure(tmp_path):
    figure = Figure()
    left, _ = figure.subfigures(1, 2)
    (path,) = figures.save(left.subplots(), tmp_path / "all.png")
    assert path.stat().st_size > 0


def test_save_refuses_an_unknown_suffix(tmp_path):
    with pytest.raises(InputError, match=r"the suffix of a figure is .png, .svg, .pdf .* '.gif'"):
        figures.save(plain(), tmp_path / "raster.gif")
    assert not list(tmp_path.iterdir())


def test_save_refuses_an_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write to the folder"):
        figures.save(plain(), tmp_path / "file" / "raster.png")
    (tmp_path / "raster.png").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        figures.save(plain(), tmp_path / "raster.png")


def test_save_refuses_what_is_no_figure(tmp_path):
    with pytest.raises(
        InputError, match="Figure, matplotlib's Axes, an array of Axes or .* but is 'raster'"
    ):
        figures.save("raster", tmp_path / "raster.png")
    with pytest.raises(InputError, match="an array of Axes .* but is a ndarray"):
        figures.save(np.array([]), tmp_path / "raster.png")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    figure = plain()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(InputError, match="No space left on device"):
        figures.save(figure, tmp_path / "raster.png")
    assert not list(tmp_path.iterdir())


def test_an_interactive_backend_without_a_display_does_not_stop_a_figure(monkeypatch):
    import matplotlib.pyplot as plt

    def refuse(*args, **kwargs):
        raise ImportError("Cannot load backend 'TkAgg' which requires the 'tk' framework")

    monkeypatch.setattr(plt, "figure", refuse)
    (ax,) = figures.rate_against_activation({"fc": (np.array([0.1]), np.array([0.1]))})
    assert isinstance(ax.figure, Figure)


def test_importing_the_figures_leaves_backend_and_settings_alone():
    code = (
        "import brian2, matplotlib as mpl; mpl.use('svg'); before = dict(mpl.rcParams);"
        "import bionet.figures; assert dict(mpl.rcParams) == before;"
        "assert mpl.get_backend() == 'svg', mpl.get_backend()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_style_sheet_names_nothing_unknown_to_matplotlib(caplog):
    sheet = Path(figures.__file__).with_name("bionet.mplstyle")
    mpl.rc_params_from_file(sheet, fail_on_error=True, use_default_template=False)
    assert not caplog.records


def test_a_notebook_that_becomes_interactive_while_it_draws_stays_so():
    """As IPython turns it on where the first figure loads its backend; or no other is shown."""
    before = mpl.is_interactive()
    try:
        mpl.interactive(False)
        with figures.style():
            mpl.interactive(True)
        assert mpl.is_interactive()
    finally:
        mpl.interactive(before)
