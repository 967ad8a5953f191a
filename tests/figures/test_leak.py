"""Loss and operations against the leak: the drawn data."""

import numpy as np
import pytest

import bionet.figures as figures
from bionet.errors import InputError

ROWS = [
    {"L": 10, "loss": 0.26, "saved": 37.1},
    {"L": 2, "loss": 2.53, "saved": 45.4},
    {"L": 5, "loss": 0.54, "saved": 41.9},
]


def test_every_row_is_drawn_in_the_order_of_l():
    above, below = figures.loss_and_operations({"up": ROWS, "nearest": ROWS[:2]})
    line, other = above.get_lines()[:2]
    assert [line.get_label(), other.get_label()] == ["up", "nearest"]
    np.testing.assert_array_equal(line.get_xydata(), [[2, 2.53], [5, 0.54], [10, 0.26]])
    np.testing.assert_array_equal(below.get_lines()[0].get_ydata(), [45.4, 41.9, 37.1])
    assert [text.get_text() for text in below.get_xticklabels()] == ["2", "5", "10"]
    assert "steps" in below.get_xlabel() and "%" in below.get_ylabel()


def test_labels_do_not_touch_and_small_losses_have_plain_ticks():
    rows = [{"L": leak, "loss": 0.6 - leak / 25, "saved": 40} for leak in (2, 10, 12, 13, 14, 20)]
    above, below = figures.loss_and_operations({"up": rows})
    assert [text.get_text() for text in below.get_xticklabels()] == ["2", "10", "12", "20"]
    assert above.get_yscale() == "linear"
    above, _ = figures.loss_and_operations({"up": ROWS})
    assert above.get_yscale() == "symlog"


@pytest.mark.parametrize("curves", [{}, {"up": []}])
def test_nothing_to_draw_is_refused(curves):
    with pytest.raises(InputError, match="holds no rows"):
        figures.loss_and_operations(curves)
