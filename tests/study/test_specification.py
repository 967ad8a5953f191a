"""What a study file may say; every refusal is one line that names the key."""

import pytest

from bionet import study
from bionet.errors import InputError
from bionet.study.cells import cells_of, digest
from bionet.study.running import programs
from bionet.study.specification import source_of

GOOD = """
name = "s"
data = "digits"
images = 5
[[network]]
name = "lenet5"
weights = "digits"
[[method]]
name = "rate"
codings = ["analog"]
[[perturbation]]
name = "refractory_period"
levels = ["0ms", "2ms"]
"""


def loaded(tmp_path, text):
    (tmp_path / "s.toml").write_text(text)
    return study.load(tmp_path / "s.toml")


def test_a_good_study_with_its_defaults(tmp_path):
    found = loaded(tmp_path, GOOD)
    assert found.images == (0, 1, 2, 3, 4) and found.seeds == (0,)
    assert found.perturbations[0]["levels"] == [0.0, 2.0]
    assert found.settings == {"device": "cpp_standalone", "dtype": "float32", "readout": None}
    bare = loaded(tmp_path, GOOD[: GOOD.index("[[perturbation]]")])
    assert [p["name"] for p in bare.perturbations] == ["none"]


def without(*lines):
    return "\n".join(s for s in GOOD.splitlines() if not s.startswith(lines))


BAD = {
    "unknown key": ("colour = 1\n" + GOOD, "colour: unknown key; known are name"),
    "unknown key of a table": (GOOD + "level = [1]", r"perturbation\[0\].level: unknown key"),
    "unknown key of a method": (
        GOOD.replace("codings =", "codigns ="), r"method\[0\].codigns: unknown key",
    ),
    "no name": (without("name = \"s\""), "name: is missing"),
    "a path as name": (GOOD.replace('"s"', '"../s"'), "name: expected letters"),
    "no network": (
        GOOD.replace('[[network]]\nname = "lenet5"\nweights = "digits"\n', ""),
        "network: is missing",
    ),
    "unknown network": (GOOD.replace("lenet5", "lenet7"), r"network\[0\].name: .*lenet5"),
    "no weights": (without("weights"), r"network\[0\].weights: is missing"),
    "methods of a network": (
        GOOD.replace('"digits"\n[[', '"digits"\nmethods = ["rats"]\n[['),
        r"network\[0\].methods: expected some of rate, got 'rats'",
    ),
    "a method of a network twice": (
        GOOD.replace('"digits"\n[[', '"digits"\nmethods = ["rate", "rate"]\n[['),
        r"network\[0\].methods: 'rate' is given twice",
    ),
    "no method": (GOOD.replace("method", "perturbation"), "method: is missing"),
    "unknown method": (GOOD.replace('"rate"', '"rat"'), r"method\[0\].name: unknown method 'rat'"),
    "unknown coding": (GOOD.replace("analog", "digital"), r"method\[0\].codings: expected some of"),
    "empty codings": (GOOD.replace('["analog"]', "[]"), r"method\[0\].codings: expected a list"),
    "no codings": (without("codings"), r"method\[0\].codings: is missing"),
    "coding twice": (
        GOOD.replace('["analog"]', '["analog", "analog"]'), "codings: 'analog' is given twice",
    ),
    "unknown option": (
        GOOD.replace('["analog"]', '["analog"]\noptions = {percentil = 99}'),
        r"method\[0\].options.percentil: method 'rate' has no such option",
    ),
    "an option of another kind": (
        GOOD.replace('["analog"]', '["analog"]\noptions = {percentile = "high"}'),
        r"method\[0\].options.percentile: percentile of method 'rate' must be a number, but is",
    ),
    "bare duration": (
        GOOD.replace('["analog"]', '["analog"]\nduration = 50'),
        r"method\[0\].duration: expected a text such as '50ms', got 50",
    ),
    "duration without unit": (
        GOOD.replace('["analog"]', '["analog"]\nduration = "50"'),
        r"method\[0\].duration: duration: .*has no unit",
    ),
    "level out of range": (GOOD.replace("2ms", "-2ms"), r"perturbation\[0\].levels: .*level -2 ms"),
    "bare level of a time": (
        GOOD.replace('"2ms"', "2"),
        r"perturbation\[0\].levels: expected a text such as '2ms', got 2",
    ),
    "wrong unit": (GOOD.replace("2ms", "2Hz"), r"perturbation\[0\].levels: .*'2Hz'"),
    "empty levels": (GOOD.replace('["0ms", "2ms"]', "[]"), r"perturbation\[0\].levels: expected a"),
    "no levels": (without("levels"), r"perturbation\[0\].levels: is missing"),
    "unknown perturbation": (
        GOOD.replace("refractory_period", "refractory"),
        r"perturbation\[0\].name: unknown perturbation 'refractory'",
    ),
    "option of a perturbation": (
        GOOD + "options = {spread = 1}", "'refractory_period' has no option 'spread'",
    ),
    "one label twice": (
        GOOD + '[[perturbation]]\nname = "refractory_period"\nlevels = ["1ms"]',
        "perturbation: two are called 'refractory_period'",
    ),
    "incomplete with": (GOOD + 'with = [{name = "blur"}]', r"with\[0\]: needs a name and a level"),
    "level of with": (
        GOOD + 'with = [{name = "dead_units", level = 2}]', r"with\[0\].level: dead_units: level 2",
    ),
    "empty seeds": ("seeds = []\n" + GOOD, "seeds: expected a list with at least one entry"),
    "negative seed": ("seeds = [-1]\n" + GOOD, "seeds: expected whole numbers >= 0, got -1"),
    "no images": (without("images"), "images: is missing"),
    "zero images": (GOOD.replace("images = 5", "images = 0"), "images: expected a number >= 1"),
    "images are a list": (
        GOOD.replace("images = 5", "images = [5]"), r"images: expected a number >= 1 .*, got \[5\]",
    ),
    "seeds are texts": ("seeds = ['a']\n" + GOOD, r"seeds\[0\]: expected a whole number, got 'a'"),
    "bad images": (GOOD.replace("images = 5", 'images = "1-x"'), "images: expected whole numbers"),
    "device": ('device = "gpu"\n' + GOOD, "device: expected one of cpp_standalone"),
    "calibration": (GOOD + "[calibration]\nimages = 0", "calibration.images: expected a whole"),
    "weights are a number": (
        GOOD.replace('weights = "digits"', "weights = 3"),
        r"network\[0\].weights: expected a text, got 3",
    ),
    "a shape as text": (
        GOOD.replace('weights = "digits"', 'weights = "digits"\ninput_shape = "1,8,8"'),
        r"network\[0\].input_shape: expected a list with at least one entry, got '1,8,8'",
    ),
    "name is a list": (
        GOOD.replace('"refractory_period"', "['refractory_period']"),
        r"perturbation\[0\].name: expected a text",
    ),
    "options are no table": (
        GOOD + "options = 3", r"perturbation\[0\].options: expected a table such as .*, got 3",
    ),
    "options of a method are no table": (
        GOOD.replace('["analog"]', '["analog"]\noptions = 3'), r"method\[0\].options: expected a",
    ),
    "populations are a text": (
        GOOD + "options = {populations = 'conv1'}",
        r"perturbation\[0\].levels: expected populations to be a list of names, got 'conv1'",
    ),
    "negative duration": (
        GOOD.replace('["analog"]', '["analog"]\nduration = "-5ms"'),
        r"method\[0\].duration: expected more than 0, got '-5ms'",
    ),
    "images backwards": (
        GOOD.replace("images = 5", 'images = "9-3"'), "images: '9-3' ends before it begins",
    ),
    "an image twice": (GOOD.replace("images = 5", 'images = "1,1"'), "images: 1 is given twice"),
    "not TOML": ("name = ", "is no TOML file"),
    "perturbation is no list": (
        GOOD.replace("[[perturbation]]", "[perturbation]"), "perturbation: expected tables",
    ),
    "empty perturbations": (
        "perturbation = []\n" + GOOD[: GOOD.index("[[perturbation]]")], "perturbation: is empty",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_bad_studies_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        loaded(tmp_path, text)
    assert "\n" not in str(caught.value) and "s.toml" in str(caught.value)


def test_a_missing_file_lists_the_ready_studies():
    with pytest.raises(InputError, match="no file nowhere.toml.*coding-robustness"):
        study.load("nowhere.toml")


@pytest.mark.parametrize("name", study.ready_studies())
def test_ready_studies_load_and_give_their_cells(name):
    found = study.load(name)
    assert found.name == name and found.description
    weights = {digest(source_of(entry)): "w" for entry in found.networks}
    cells = cells_of(found, weights, "i")
    levels = sum(len(p["levels"]) for p in found.perturbations)
    codings = sum(len(m["codings"]) for m in found.methods)
    assert len(cells) == levels * codings * len(found.seeds) == len({c.key for c in cells})
    if name == "coding-robustness":
        assert codings == 6 and len(cells) == 6 * 5 * 5 * 3 and len(found.images) == 200
        assert len(programs(cells)) == 30


def test_a_network_may_be_for_some_methods_alone(tmp_path):
    two = GOOD.replace('["analog"]', '["analog"]\n[[method]]\nname = "dsnn"\ncodings = ["analog"]')
    other = '[[network]]\nname = "lenet5"\nweights = "mnist"\nmethods = ["dsnn"]\n[[network]]'
    found = loaded(tmp_path, two.replace("[[network]]", other))
    weights = {digest(source_of(entry)): "w" for entry in found.networks}
    pairs = [
        (c.content["converted"]["network"]["weights"], c.content["method"]["label"])
        for c in cells_of(found, weights, "i")
        if c.content["level"] == 0
    ]
    assert pairs == [("mnist", "dsnn"), ("digits", "rate"), ("digits", "dsnn")]
    # Cells are those of the network, whoever else it is for.
    alone = cells_of(loaded(tmp_path, GOOD), weights, "i")
    named = loaded(tmp_path, GOOD.replace('"digits"\n[[', '"digits"\nmethods = ["rate"]\n[['))
    assert [c.key for c in alone] == [c.key for c in cells_of(named, weights, "i")]


def test_the_key_of_a_cell_changes_with_all_that_matters(tmp_path):
    base = loaded(tmp_path, GOOD)
    changed = [
        loaded(tmp_path, GOOD.replace('digits"\n[[m', 'mnist"\n[[m')),
        loaded(tmp_path, "seeds = [1]\n" + GOOD),
        loaded(tmp_path, GOOD.replace('"2ms"', '"3ms"').replace('"0ms"', '"1ms"')),
        loaded(tmp_path, 'dtype = "float64"\n' + GOOD),
        loaded(tmp_path, GOOD.replace('["analog"]', '["uniform"]')),
        loaded(tmp_path, GOOD.replace('["analog"]', '["analog"]\nduration = "20ms"')),
        loaded(tmp_path, GOOD.replace('["analog"]', '["analog"]\noptions = {percentile = 99}')),
        loaded(tmp_path, GOOD + "options = {populations = ['conv1']}"),
    ]

    def keys(one, weights="w", images="i"):
        return {c.key for c in cells_of(one, {digest(n): weights for n in one.networks}, images)}

    sets = [keys(base), *(keys(other) for other in changed), keys(base, "v"), keys(base, "w", "j")]
    assert len(set().union(*sets)) == sum(len(s) for s in sets)
    assert keys(base) == keys(loaded(tmp_path, 'description = "other words"\n' + GOOD))
