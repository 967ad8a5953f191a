"""The pages on perturbations and studies name everything there is."""

from pathlib import Path

from bionet.perturbations import PERTURBATIONS
from bionet.study.tables import MethodTable, NetworkTable, PerturbationTable, StudyFile

DOCS = Path(__file__).parents[2] / "docs"


def test_every_perturbation_has_its_row():
    text = (DOCS / "perturbations.md").read_text()
    for name, kind in PERTURBATIONS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert f"`{kind.__name__}`" in row
        assert kind.unit == "1" or kind.unit in row, row
        assert kind.source and kind.__doc__


def test_every_column_and_key_is_explained(whole):
    text = (DOCS / "studies.md").read_text()
    for column in whole.columns:
        assert f"`{column}`" in text or column.startswith("version_"), column
    for kind in (StudyFile, NetworkTable, MethodTable, PerturbationTable):
        for name, field in kind.model_fields.items():
            assert (field.alias or name) in text, name
