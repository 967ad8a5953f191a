"""What a script shows that ends with an error."""

import subprocess
import sys

import pytest

SCRIPT = """
import brian2
import bionet
try:
    raise bionet.InputError("one that a script can live with")
except bionet.InputError:
    pass
{}
"""


@pytest.mark.parametrize(
    ("line", "asks"),
    [('raise bionet.InputError("theta: too low")', False), ('raise KeyError("theta")', True)],
)
def test_brian2_asks_for_a_report_of_its_own_errors_only(line, asks):
    command = [sys.executable, "-c", SCRIPT.format(line)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 1
    assert "theta" in shown.stderr.splitlines()[-1]
    assert ("please report this issue" in shown.stderr) is asks
