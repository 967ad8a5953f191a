"""Movies, events, spike trains, durations and streams: against closed forms and static images."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms, second

import bionet
from bionet.equations import integrate_and_fire, integrator
from bionet.errors import InputError
from bionet.inputs import events, frames, replay, saccades, spike_trains, static
from bionet.network import Dense, Population, Projection, Readout, SpikingNetwork
from bionet.running.compiled_program import structure
from bionet.running.shown import shown

HERE = {"device": "numpy", "dtype": "float64"}
EVERYTHING = {"input": ["spikes"], "conv": ["spikes", "v"], "output": ["spikes"]}


def adder(shape, weights=None):
    """Every input unit adds its weight to a readout that integrates; a witness fires."""
    n = int(np.prod(shape))
    weights = np.ones((1, n)) if weights is None else np.asarray(weights, dtype=float)
    populations = (
        Population("witness", (len(weights),), integrate_and_fire()),
        Population("sum", (len(weights),), integrator()),
    )
    projections = tuple(Projection("input", name, Dense(weights)) for name in ("witness", "sum"))
    return SpikingNetwork(populations, projections, shape, Readout("witness", "sum"))


def test_short_forms_are_movies_events_and_streams(tiny, tiny_images, equal):
    movie = np.stack([tiny_images, tiny_images[::-1]], axis=1)
    one = bionet.simulate(tiny, movie, 20 * ms, **HERE)
    equal(one, bionet.simulate(tiny, frames(movie, 10 * ms), **HERE))
    stream, never = (
        bionet.simulate(tiny, tiny_images, 10 * ms, reset=reset, **HERE)
        for reset in (False, "never")
    )
    equal(stream, never)
    rows = [np.array([[0, 3], [2, 5], [2, 1]]), []]
    short = bionet.simulate(adder((6,), np.eye(6)), events=rows, duration=4 * ms, **HERE)
    trains = spike_trains([[3, 5, 1], []], [[0, 2, 2] * ms, [] * ms])
    equal(short, bionet.simulate(adder((6,), np.eye(6)), trains, 4 * ms, **HERE))
    camera = np.array([(1000, 2, 1, 1)], [("t", int), ("x", int), ("y", int), ("p", int)])
    seen = bionet.simulate(adder((1, 2, 3)), events=[camera], duration=4 * ms, **HERE)
    assert seen.output_potential[0, :, 0].tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("coding", ["analog", "poisson", "uniform"])
def test_frames_of_one_image_are_the_image(tiny, tiny_images, equal, coding):
    options = HERE | {"coding": coding, "lanes": 2}
    if coding != "analog":
        options["record"] = EVERYTHING
    image = bionet.simulate(tiny, tiny_images, 20 * ms, **options)
    movie = frames(np.repeat(tiny_images[:, None], 5, axis=1), 4 * ms)
    equal(bionet.simulate(tiny, movie, **options), image)


def test_a_movie_drives_an_integrator_frame_by_frame():
    movie = np.array([[[0.5], [0.0], [0.25]], [[1.0], [0.125], [0.0]]])
    run = bionet.simulate(adder((1,)), frames(movie, 2 * ms), coding="analog", **HERE)
    expected = np.cumsum(np.repeat(movie[..., 0], 2, axis=1), axis=1)
    np.testing.assert_array_equal(run.output_potential[..., 0], expected)
    assert run.parameters["stimulus"] == {"kind": "frames", "frame_ms": 2}


def test_movies_of_different_lengths_are_shown_alone():
    movies = [np.full((3, 1), 0.5), np.full((1, 1), 0.25), np.full((3, 1), 0.125)]
    run = bionet.simulate(adder((1,)), frames(movies, 2 * ms), coding="analog", **HERE)
    np.testing.assert_array_equal(run.steps, [6, 2, 6])
    # The last potential of a shorter one stands.
    np.testing.assert_array_equal(run.output_potential[1, :, 0], [0.25, 0.5, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_array_equal(run.output_potential[:, -1, 0], [3.0, 0.5, 0.75])


def test_images_with_durations_of_their_own(tiny, tiny_images, tmp_path):
    lengths = np.array([10, 20, 10, 30, 20])
    options = HERE | {"coding": "poisson", "record": EVERYTHING, "lanes": 2}
    run = bionet.simulate(tiny, static(tiny_images, lengths * ms), **options)
    whole = bionet.simulate(tiny, tiny_images, 30 * ms, **options)
    for image, steps in enumerate(lengths):
        spikes, longer = run.spikes("conv", image), whole.spikes("conv", image)
        np.testing.assert_array_equal(spikes.unit, longer.unit[longer.step < steps])
        assert run.counts["conv"][image].sum() == len(spikes.unit)
        potential = run.potential("conv", image)
        np.testing.assert_array_equal(potential[:steps], whole.potential("conv", image)[:steps])
        assert np.isnan(potential[steps:]).all()
    np.testing.assert_array_equal(
        run.rates("conv"), run.counts["conv"] / lengths[:, None, None, None]
    )
    run.save(tmp_path / "run")
    assert bionet.Recording.load(tmp_path / "run") == run


@pytest.mark.parametrize("coding", ["analog", "uniform"])
def test_a_stream_in_two_halves_is_the_stream(tiny, tiny_images, coding):
    delayed = replace(tiny, projections=[replace(q, delay=2) for q in tiny.projections])
    if coding == "analog":  # which drives without delay
        delayed = replace(delayed, projections=(tiny.projections[0], *delayed.projections[1:]))
    options = HERE | {"coding": coding}
    movie = np.stack([tiny_images[[0, 1]], tiny_images[[2, 3]]])
    whole = bionet.simulate(delayed, frames(movie.reshape(1, 4, 2, 4, 3), 5 * ms), **options)
    halves = bionet.simulate(delayed, frames(movie, 5 * ms), reset="never", **options)
    both = halves.output_potential.reshape(1, 20, -1), halves.output_spikes.reshape(1, 20, -1)
    np.testing.assert_array_equal(both[0], whole.output_potential)
    np.testing.assert_array_equal(both[1], whole.output_spikes)
    np.testing.assert_array_equal(halves.counts["conv"].sum(axis=0), whole.counts["conv"][0])
    again = bionet.simulate(delayed, frames(movie, 5 * ms), **options)
    assert (again.output_potential[1] != halves.output_potential[1]).any()


def test_an_integrator_keeps_what_a_stream_has_brought():
    images = np.array([[0.5], [0.25], [1.0]])
    options = HERE | {"coding": "analog", "record": {"sum": ["v"]}, "record_images": [2]}
    run = bionet.simulate(adder((1,)), images, 4 * ms, reset="never", **options)
    np.testing.assert_array_equal(run.output_potential[:, -1, 0], [2.0, 3.0, 7.0])
    np.testing.assert_array_equal(run.potential("sum", 2)[:, 0], [4, 5, 6, 7])
    assert run.parameters["reset"] == "never" and run.recorded_images.tolist() == [2]
    with pytest.raises(InputError, match="not known what the readout's potential stands for"):
        run.values()


def test_a_recorded_poisson_input_replayed_gives_the_same_spikes(tiny, tiny_images, equal):
    options = HERE | {"record": EVERYTHING, "max_rate": 400 * Hz}
    first = bionet.simulate(tiny, tiny_images, 25 * ms, coding="poisson", **options)
    again = bionet.simulate(tiny, replay(first), 25 * ms, lanes=3, **HERE, record=EVERYTHING)
    equal(again, first)
    assert again.parameters["coding"] == "events"
    lists = [first.spikes_it("input", image) for image in range(5)]
    sizes = [first.spikes("input", image).amplitude for image in range(5)]
    trains = spike_trains([i for i, _ in lists], [t for _, t in lists], size=sizes)
    equal(bionet.simulate(tiny, trains, 25 * ms, **HERE, record=EVERYTHING), first)


def test_events_arrive_at_their_unit_and_step():
    weights = 10.0 ** np.arange(6)[None]  # of the units (polarity, row, column) in (2, 1, 3)
    t, x = np.array([0.0, 2.4, 2.6]), np.array([2, 0, 1])
    camera = events(t * ms, x, np.zeros(3, int), np.array([1, 0, 1]))
    run = bionet.simulate(adder((2, 1, 3), weights), camera, 4 * ms, **HERE)
    expected = [1e5, 1e5, 1e5 + 1 + 1e4, 1e5 + 1 + 1e4]
    np.testing.assert_array_equal(run.output_potential[0, :, 0], expected)
    assert run.counts["input"].sum() == 3


def test_events_of_one_unit_and_step_add_up():
    place = np.zeros(5, int)
    t = np.array([0.1, 0.9, 1.2, 1.3, 3.0]) * ms
    camera = events(t, place, place, np.array([True, True, True, False, False]))
    run = bionet.simulate(adder((1, 1, 1)), camera, 4 * ms, record="input:spikes", **HERE)
    np.testing.assert_array_equal(run.output_potential[0, :, 0], [2, 2, 2, 1])
    spikes = run.spikes("input")  # an on and an off event cancel
    assert spikes.step.tolist() == [0, 3] and spikes.amplitude.tolist() == [2, -1]


def test_events_as_tonic_has_them_and_images_without_any():
    fields = [("x", int), ("y", int), ("t", int), ("p", int)]
    one = np.array([(1, 0, 1500, 1), (0, 1, 2500, 1)], dtype=fields)
    camera = events([one, one[:0], one[1:]])
    run = bionet.simulate(adder((2, 2, 2)), camera, 4 * ms, lanes=2, **HERE)
    expected = [[0, 1, 2, 2], [0, 0, 0, 0], [0, 0, 1, 1]]
    np.testing.assert_array_equal(run.output_potential[..., 0], expected)
    numbers = events([1.5, 2.5, 2.5] * ms, [1, 0, 0], [0, 1, 1], [1, 1, 1], image=[0, 0, 2])
    same = bionet.simulate(adder((2, 2, 2)), numbers, 4 * ms, **HERE)
    np.testing.assert_array_equal(same.output_potential, run.output_potential)
    empty = bionet.simulate(adder((2,)), spike_trains([], [] * ms, n_images=1), 4 * ms, **HERE)
    assert not empty.output_potential.any()


def test_events_as_a_current_and_as_a_rate():
    """An event drives for its step; as a rate of one spike a step it is a spike."""
    trains = spike_trains([0, 0], [1, 3] * ms)
    for coding in ("analog", "poisson"):
        run = bionet.simulate(adder((1,)), trains, 5 * ms, coding=coding, **HERE)
        np.testing.assert_array_equal(run.output_potential[0, :, 0], [0, 1, 1, 2, 2])


def test_sums_of_events_are_frames():
    camera = events([0.5, 0.7, 3.0] * ms, [0, 0, 1], [0, 0, 0], image=[0, 0, 1])
    binned = camera.frames((1, 1, 2), 2 * ms, 4 * ms)
    assert binned.movies.shape == (2, 2, 1, 1, 2)
    np.testing.assert_array_equal(binned.movies.reshape(2, 4), [[2, 0, 0, 0], [0, 0, 0, 1]])


def test_built_objects_show_movies_and_events(tiny, tiny_images):
    movie = frames(tiny_images[None, :4], 5 * ms)
    trains = spike_trains([3, 7, 3], [1, 2, 11] * ms)
    for stimulus, coding in ((movie, "uniform"), (movie, "analog"), (trains, None)):
        run = bionet.simulate(tiny, stimulus, 20 * ms, coding=coding, **HERE)
        network, groups = bionet.build(tiny, stimulus, 20 * ms, coding=coding)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(bionet_prefs(), "codegen.target", "numpy")
            network.run(20 * ms, namespace={})
        assert groups["conv_spikes"].num_spikes == run.counts["conv"].sum() > 0


def bionet_prefs():
    from brian2 import prefs

    return prefs


def test_other_data_need_no_other_program(tiny, tiny_images):
    settings = {"coding": "poisson", "max_rate": None, "lanes": 2, "dtype": None, "record": None}

    def program(stimulus, **times):
        times = {"duration": None, "dt": None} | times
        return structure(tiny, shown(tiny, stimulus, **times, **settings)[0])

    image = program(tiny_images)
    assert program(frames(tiny_images[None], 3 * ms)) == image
    assert program(spike_trains([3], [1] * ms), duration=20 * ms) == image
    settings["lanes"] = 1
    assert program(tiny_images, reset="never") == program(tiny_images)
    settings["lanes"] = 2
    assert program(static(tiny_images, np.arange(1, 6) * ms)) == image


@pytest.mark.devices
@pytest.mark.parametrize("coding", ["poisson", "analog", None])
def test_devices_show_the_same(tiny, tiny_images, equal, coding):
    rng = np.random.default_rng(3)
    n = 60
    trains = spike_trains(
        rng.integers(0, 24, n), np.sort(rng.integers(0, 20, n)) * ms, image=rng.integers(0, 5, n),
        size=None if coding else rng.normal(size=n),
    )  # fmt: skip
    movies = frames([tiny_images[:k] for k in (1, 3, 3, 1, 2)], 4 * ms)
    record = {"conv": ["spikes", "v"], "output": ["spikes"]}
    for stimulus in (movies, trains) if coding == "analog" else (movies if coding else trains,):
        time = 20 * ms if stimulus is trains else None
        options = {"coding": coding, "dtype": "float32", "record": record}
        slow = bionet.simulate(tiny, stimulus, time, device="numpy", lanes=1, **options)
        for device, lanes, processes in (("cython", 2, None), ("cpp_standalone", 2, 2)):
            options |= {"lanes": lanes, "processes": processes}
            run = bionet.simulate(tiny, stimulus, time, device=device, **options)
            equal(run, slow)
    shown_on = tiny_images if coding else trains
    stream, compiled = (
        bionet.simulate(
            tiny, shown_on, 20 * ms, device=device, coding=coding, reset="never", dtype="float32"
        )
        for device in ("numpy", "cpp_standalone")
    )
    equal(compiled, stream)


def refused(stimulus, message, shape=(1, 2, 3), **options):
    options = {"duration": 10 * ms} | HERE | options
    with pytest.raises(InputError, match=message):
        bionet.simulate(adder(shape), stimulus() if callable(stimulus) else stimulus, **options)


ONE = np.zeros((1, 5, 1, 2, 3))
AT = [3.0] * ms


@pytest.mark.parametrize(
    ("make", "message", "options"),
    [
        (lambda: ONE, r"frame .1.8 ms. must be a multiple of dt", {"duration": 9 * ms}),
        (lambda: None, "give either images or events=", {}),
        (lambda: ONE[0], "give either images or events=", {"events": [[]]}),
        (lambda: None, r"an array .n_spikes, 2. of step and unit", {"events": [np.zeros((4, 3))]}),
        (lambda: None, "steps of events must be whole numbers", {"events": [[[0.5, 1]]]}),
        (lambda: frames(ONE, 2), "frame must be a time with its unit", {}),
        (lambda: frames(ONE, -2 * ms), "frame must be one positive time", {}),
        (lambda: frames(ONE, 2.5 * ms), "frame .2.5 ms. must be a multiple of dt",
         {"duration": None}),
        (lambda: frames(ONE, 4 * ms), "movie 0 has 5 frames of 4 ms, 20 ms in all, but", {}),
        (lambda: frames(ONE[..., :2], 2 * ms), r"frames must have the shape .* 1, 2, 3\)", {}),
        (lambda: frames(ONE * np.nan, 2 * ms), "image 0 holds NaN or infinity", {}),
        (lambda: frames([ONE[0], ONE[0, ..., :1]], 2 * ms), "all frames must have one shape", {}),
        (lambda: frames([], 2 * ms), "at least one movie", {}),
        (lambda: frames("movie", 2 * ms), "an array or a list of arrays", {}),
        (lambda: frames(ONE.astype("U1"), 2 * ms), "frames must be numbers", {}),
        (lambda: spike_trains([0], [3.0]), "t must be a time with its unit", {}),
        (lambda: spike_trains([0], [12] * ms), "12 ms .* lies outside .* 0 to 10 ms", {}),
        (lambda: spike_trains([0], [-1] * ms), "-1 ms .* lies outside the presentation", {}),
        (lambda: spike_trains([0], [np.nan] * ms), "t holds NaN or infinity", {}),
        (lambda: spike_trains([6], AT), "there is no unit 6 in an input .* units are 0 to 5", {}),
        (lambda: spike_trains([0.5], AT), "i must be whole numbers from 0 on", {}),
        (lambda: spike_trains([0, 1], AT), "i must have one entry for each of the 1 times", {}),
        (lambda: spike_trains([0], 3 * ms), "t must be one row of times", {}),
        (lambda: spike_trains([], []), "there is no image; give at least one train", {}),
        (lambda: spike_trains([0], [AT]), "i must be a list of 1 arrays|whole numbers", {}),
        (lambda: spike_trains([0], AT, size=[np.inf]), "size holds NaN or infinity", {}),
        (lambda: spike_trains([0], AT, n_images=2), "n_images is 2, but there are 1", {}),
        (lambda: spike_trains([0], AT, image=[1], n_images=1), "n_images must be at least 2", {}),
        (lambda: spike_trains([[0], [0]], [AT, AT], image=[0]), "image=, not both", {}),
        (lambda: events(AT, [3], [0]), "x = 3 lies outside .* x goes from 0 to 2", {}),
        (lambda: events(AT, [0], [2]), "y = 2 lies outside .* y goes from 0 to 1", {}),
        (lambda: events(AT, [0], [0], [2]), "p must be 0 or 1, -1 or 1", {}),
        (lambda: events(AT, [0]), "y is missing", {}),
        (lambda: events([], []), "there is no image", {}),
        (lambda: events([AT, AT], [[0], [0]], [[0]]), "y must be a list of 2 arrays", {}),
        (lambda: events([AT, AT], [[0]] * 2, [[0]] * 2, [[1], None]), "some have none", {}),
        (lambda: events(np.zeros(1, [("t", int), ("x", int)])), "needs the fields", {}),
        (lambda: events(np.zeros(1, [("t", int)]), [0]), "holds x, y and p; leave them out", {}),
        (lambda: events(AT, [0], [0]), "two channels, for on and off events.* give p",
         {"shape": (2, 2, 3)}),
        (lambda: events(AT, [0], [0]), "events need an input of the shape", {"shape": (6,)}),
        (lambda: spike_trains([0, 0], [3.0, 3.1] * ms), "poisson .* between 0 and 1, but they lie",
         {"coding": "poisson"}),
        (lambda: static(ONE[0], [1, 2] * ms), "durations must be 5 positive times", {}),
        (lambda: static(ONE[0], np.full(5, 4) * ms), "leave out the duration", {}),
        (lambda: static(ONE[0], [1, 2, 3, 4, 5.5] * ms), "multiple of dt", {"duration": None}),
        (lambda: static(np.float64(1)), "need an axis of their own", {}),
        (lambda: static(ONE[0], np.arange(1, 6) * ms), "images of a stream have one duration",
         {"duration": None, "reset": "never"}),
        (lambda: ONE[0], "reset is 'presentation' or 'never'", {"reset": "always"}),
        (lambda: ONE[0], "one image at a time, but lanes is 4", {"reset": "never", "lanes": 4}),
        (lambda: ONE[0], "leave stream out",
         {"reset": "never", "stream": "x.h5", "record": "sum:v"}),
        (lambda: frames(ONE, 2 * ms), "temporal code, which reads one static image",
         {"coding": bionet.equations.reverse(10 * ms)}),
    ],
)  # fmt: skip
def test_what_is_refused(make, message, options):
    refused(make, message, **options)


def test_scripts_and_built_objects_refuse_what_they_cannot_show(tiny, tiny_images, tmp_path):
    with pytest.raises(InputError, match="a script shows one static image, but it was given fram"):
        bionet.eject(tiny, tmp_path / "x.py", frames(tiny_images[None], 2 * ms))
    with pytest.raises(InputError, match="build: images side by side are presented for the same"):
        bionet.build(tiny, static(tiny_images, np.arange(1, 6) * ms))
    run = bionet.simulate(tiny, tiny_images, 0.005 * second, **HERE)
    with pytest.raises(InputError, match="spikes of 'input' were not recorded"):
        replay(run)


def test_saccades_report_the_edge_that_moves():
    image = np.zeros((1, 1, 3, 6))
    image[..., 3:] = 1.0  # bright on the right; the camera moves right and down, then back
    camera = saccades(image, 30 * ms, 1 * ms, reach=2.0, threshold=0.25)
    first = camera.time < 9.5e-3  # the first leg: one pixel to the right
    assert set(camera.x[first & (camera.y == 0)]) == {2, 5}
    assert camera.on[first & (camera.x == 2) & (camera.y == 0)].tolist() == [True] * 4
    assert not camera.on[first & (camera.x == 5)].any()  # darkness beyond the image's edge
    still = saccades(np.zeros((2, 1, 3, 6)), 30 * ms, 1 * ms)
    assert len(still) == 2 and not still.time.size
    for wrong, message in (
        ({"reach": -1.0}, "reach and threshold must be positive"),
        ({"images": image[0]}, "saccades need images of the shape"),
    ):
        with pytest.raises(InputError, match=message):
            saccades(**({"images": image, "duration": 30 * ms, "sample": 1 * ms} | wrong))
