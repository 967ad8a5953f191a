"""ANN activations and spikes on the same scale: the arithmetic behind :mod:`bionet.audit`.

:class:`Comparison` gives, for a batch of images, what every population should show (its ANN
activation over lambda), what it shows (spikes per step, or v(T)/T where it never fires) and
what the weights make of its sources. :class:`Tally` adds up one population's pairs, batch by
batch, so that memory does not grow with the number of images. Symbols as in the audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bionet.errors import InputError
from bionet.network import Population, Projection, SpikingNetwork
from bionet.network.initial_values import initial_values
from bionet.network.kernels import Kernel
from bionet.network.relays import passing_relays
from bionet.results.recording import Recording

__all__ = ["Comparison", "Tally", "equal_weights"]

Values = Mapping[str, np.ndarray]

# Float32 activations at the calibration maximum may exceed their lambda by rounding.
SATURATION = 1 + 1e-6


class Comparison:
    """A network and its recording, asked batch by batch.

    Parameters
    ----------
    snn : SpikingNetwork
        With the scales of its populations.
    run : Recording
    """

    def __init__(self, snn: SpikingNetwork, run: Recording) -> None:
        self.snn = snn
        self.run = run
        self.spiking_input = "input" in run.counts
        self.scales = snn.scales
        # Interneurons that show what their principal cells show: they have no layer of their own.
        axons = passing_relays(snn)
        self.partners = {cell: of for cell, of in snn.relays.items() if cell not in axons}
        rate = run.parameters.get("max_rate_hz")
        per_step = rate * run.parameters["dt_ms"] / 1000 if rate else 1.0
        self.gain = float(run.parameters.get("gain") or 1.0 / per_step)
        # What a pixel of value 1 delivers in a step: 1, unless spikes have a size of their own.
        self.mean_input = self.gain * (per_step if self.spiking_input else 1.0)
        self.mean_input = run.parameters.get("mean_input", self.mean_input)

    def audited(self, ideal: Values, shown: Values) -> list[str]:
        """Populations that both sides know, in order; an analog input has nothing to compare."""
        names = [name for name in self.snn.names if name in ideal and name in shown]
        names = [name for name in names if name not in self.partners]
        return [name for name in names if name != "input" or self.spiking_input]

    def ideal(self, activations: Values, images: np.ndarray) -> dict[str, np.ndarray]:
        """What every population should show, float64 arrays (n_images, *shape)."""
        values = {"input": images.astype(np.float64) * self.mean_input}
        for population in self.snn.populations:
            activation = self._of_layer(activations, population.name)
            scale = self._of_layer(self.scales, population.name)
            if activation is None or scale is None:
                continue
            expected = (len(images), *population.shape)
            if np.shape(activation) != expected:
                raise InputError(
                    f"the ANN's activations of {population.name!r} have the shape"
                    f" {np.shape(activation)}, but the population needs {expected}"
                )
            scaled = np.asarray(activation, dtype=np.float64) / _scale(scale, population)
            # Sizes of methods phase and burst are positive; where "theta_p" has no "theta_n",
            # a negative part was left out, which the verdict says.
            cut = fires(population) and (not sized(population) or _is_sum_of_sizes(population))
            values[population.name] = np.maximum(scaled, 0) if cut else scaled
        return values | {cell: values[of] for cell, of in self.partners.items() if of in values}

    def shown(self, images: np.ndarray, part: slice) -> dict[str, np.ndarray]:
        """What every population shows, float64 arrays (n_images, *shape)."""
        values = {"input": self._shown_input(images, part)}
        for population in self.snn.populations:
            name = population.name
            if fires(population) and name in self.run.counts:
                values[name] = self.run.rates(name, part)
            elif not fires(population):
                final = self._final_potential(name, part)
                if final is not None:
                    values[name] = (final - _initial(population)) / self.run.n_steps
        return values

    def expected(
        self, name: str, ideal: Values, shown: Values
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """f(W a + I) and f(W r + I) of a population; None where its kernels are not linear.

        What corrects the mean of its spikes is not of the network: the first is without it.
        """
        if name == "input":
            return None, None
        population = self.snn.population(name)
        answers = self._answer(population, ideal, corrected=False), self._answer(population, shown)
        bound = _bound(ideal[name]) if fires(population) and name in ideal else None
        if bound is None:
            return answers
        ideally, actually = (None if a is None else np.minimum(a, bound) for a in answers)
        return ideally, actually

    def residual(self, name: str, shown: Values, part: slice) -> np.ndarray | None:
        """Violation of the closed form over theta, (n_images, *shape); None where it has none."""
        if name == "input" or not self._closed(self.snn.population(name)):
            return None
        population = self.snn.population(name)
        drive = self._drive(population, shown)
        final = self._final_potential(name, part)
        if drive is None or final is None:
            return None
        potential = (final - _initial(population)) / self.run.n_steps
        if not fires(population):
            return np.asarray(potential - drive)
        # In spikes per step, whatever the threshold: rounding grows with it.
        return np.asarray(shown[name] + (potential - drive) / _threshold(population))

    def uncertainty(self, name: str, shown: Values, part: slice) -> np.ndarray:
        r"""How much of a residual the rounding of the run explains, in its unit.

        With precision epsilon, T steps and n = W_1 |r| + 1 terms a step, whose sizes add up to
        :math:`S = \sum_j |w_j| r_j + |I|`, the potential is a sum of n T terms of up to S +
        theta and what it holds at the end: as a random walk it is off by sqrt(n T) epsilon times
        that, and by sqrt(n T m) where m weights of a unit are equal, as those of a folded pooling
        are: then m terms are rounded alike. A weight, a drive or a threshold that is rounded once
        is off alike in every step, by sqrt(n) epsilon S. Four times that is allowed.
        """
        population = self.snn.population(name)
        steps = self.run.n_steps
        precision = str(self.run.parameters.get("dtype", "float32"))
        rates = {source: np.abs(values) for source, values in shown.items()}
        size = self._drive(population, rates, absolute=True)
        terms = 1 + self._drive(population, rates, counting=True)
        final = self._final_potential(name, part)
        theta = _threshold(population) if fires(population) else 1.0
        largest = size + theta + np.abs(0.0 if final is None else final)
        incoming = [q.kernel for q in self.snn.projections if q.target == name]
        alike = max((equal_weights(kernel) for kernel in incoming), default=1)
        walk = np.sqrt(terms * steps * alike) * largest / steps
        once = np.sqrt(terms) * (size + theta)
        return np.asarray(4 * np.finfo(precision).eps * (walk + once) / theta)

    def loss(self, name: str) -> str:
        """What a population loses charge by, where neither saturation nor silence explains it."""
        if name == "input":
            return "input noise"
        population = self.snn.population(name)
        if any(q.target == name and not q.kernel.linear for q in self.snn.projections):
            return "transient"
        if not population.model.integrates:
            return "leak"
        if fires(population) and population.model.resets != "subtract":
            return "reset"
        return "transient"

    def unlike(self, name: str) -> str:
        """Why a population's weights do not make its ANN layer of the right input."""
        removed = not self.snn.origin.negative_spikes
        one_sided = name != "input" and "theta_n" not in self.snn.population(name).parameters
        return "negative part" if removed and one_sided else "conversion"

    def decoded(self, name: str) -> str:
        """What a population shows: its rate, or its potential where it never fires."""
        spikes = name == "input" or fires(self.snn.population(name))
        return "rate" if spikes else "potential"

    def limited(self, name: str) -> bool:
        """Whether a rate above 1, or a small one, is out of reach: sizes have no such limits."""
        with_sizes = name != "input" and sized(self.snn.population(name))
        return self.decoded(name) == "rate" and not with_sizes

    def sources(self, name: str) -> list[str]:
        """Names of the populations that project to this one."""
        return [q.source for q in self.snn.projections if q.target == name]

    def _of_layer(self, mapping: Mapping[str, Any], name: str) -> Any:
        """A population's entry. The two readout populations stand for one layer of the ANN."""
        readout = self.snn.readout
        twins = {readout.spikes: readout.potential, readout.potential: readout.spikes}
        return mapping.get(name, mapping.get(twins.get(name, name)))

    def _shown_input(self, images: np.ndarray, part: slice) -> np.ndarray:
        """What a step of the input delivers on average."""
        if not self.spiking_input:
            return images.astype(np.float64) * self.mean_input
        if ("input", "total") in self.run.final_values:
            return self.run.rates("input", part)
        rate = self.run.counts["input"][part] * (self.gain / self.run.n_steps)
        # A negative pixel's spikes have a negative amplitude; counts are not signed.
        return np.asarray(np.abs(rate) * np.sign(images), dtype=np.float64)

    def _final_potential(self, name: str, part: slice) -> np.ndarray | None:
        if name in self.run.final_potentials:
            return self.run.final_potentials[name][part].astype(np.float64)
        if name == self.snn.readout.potential:
            last = self.run.output_potential[part, -1].astype(np.float64)
            return last.reshape(len(last), *self.snn.shape(name))
        return None

    def _answer(
        self, population: Population, values: Values, corrected: bool = True
    ) -> np.ndarray | None:
        drive = self._drive(population, values)
        shift = self._of_layer(self.snn.origin.shifts, population.name)
        if not corrected and drive is not None and shift is not None:
            drive = drive - np.reshape(shift, (-1, *[1] * (len(population.shape) - 1)))
        if drive is None or not fires(population):
            return drive
        if "theta_n" in population.parameters:
            negative = np.abs(population.parameters["theta_n"])
            return np.where(drive > 0, drive / _threshold(population), drive / negative)
        return np.maximum(drive, 0) / _threshold(population)

    def _drive(
        self,
        population: Population,
        values: Values,
        absolute: bool = False,
        counting: bool = False,
    ) -> Any:
        """W r + I per step, array (n_images, *shape) or None.

        With ``absolute`` of sizes: abs(W) r + abs(I); ``counting`` takes every weight as 1.
        """
        total = np.asarray(population.parameters.get("I", 0.0), dtype=np.float64)
        if absolute or counting:
            total = np.abs(total) if absolute else np.zeros_like(total)
        elif self.snn.origin.leak_compensated and fires(population):
            # A part of the drive makes up for the leak: theta dt / 2 tau.
            dt = self.run.parameters["dt_ms"] / 1000
            total = total - _threshold(population) * dt / (2 * population.parameters["tau"])
        for projection in self.snn.projections:
            if projection.target != population.name:
                continue
            if projection.source not in values or not _linear(projection, population):
                return None
            source = values[projection.source]
            kernel = projection.kernel
            if absolute or counting:
                kernel = of_sizes(kernel, counting)
            passed = kernel.apply(source)
            total = total + passed.reshape(len(source), *population.shape)
        return total if total.ndim > len(population.shape) else None

    def _closed(self, population: Population) -> bool:
        model = population.model
        plain = model.integrates
        unlimited = model.refractory is None and not model.update
        incoming = [q for q in self.snn.projections if q.target == population.name]
        # Spikes that a delay still holds back at the end have been counted, but not delivered.
        prompt = all(not q.delay and not q.delay_spread and not q.jitter for q in incoming)
        if _is_sum_of_sizes(population):
            return plain and prompt and model.resets == "subtract"
        if sized(population):  # theta r + v / T = W r + I where both thresholds are alike
            opposite = -population.parameters.get("theta_n", np.nan)
            return plain and prompt and bool(np.all(opposite == population.parameters["theta_p"]))
        return (
            plain and unlimited and prompt and (not fires(population) or model.resets == "subtract")
        )


def _bound(activations: np.ndarray) -> float | None:
    """The bound of a bounded ReLU, such as ReLU6, where the activations reach it.

    Nothing else makes the largest activation occur several times; where it does by chance, the
    activations lie below it anyway.
    """
    largest = float(activations.max(initial=0.0))
    if largest > 0 and np.count_nonzero(activations >= largest * (1 - 1e-6)) > 1:
        return largest
    return None


class Tally:
    """Running sums over one population's pairs of activation and rate.

    Parameters
    ----------
    n_steps : int
        Steps of a presentation.
    spiking : bool
        Whether the population shows a rate; a potential is neither saturated nor silent.
    """

    def __init__(self, n_steps: int, spiking: bool = True) -> None:
        self.least = 1 / n_steps
        self.spiking = spiking
        self.n = self.n_active = self.n_saturated = self.n_silent = 0
        self.moments = np.zeros(5)
        self.error = self.max_error = self.size = self.mismatch_error = 0.0
        self.parts = dict.fromkeys(("propagated", "saturation", "silence", "remainder"), 0.0)
        self.alive: np.ndarray | None = None
        self.residual: float | None = None
        self.uncertainty = self.excess = 0.0
        self.linear = False
        self.samples: list[np.ndarray] = []
        self.random = np.random.default_rng(0)

    def add(
        self,
        ideal: np.ndarray,
        shown: np.ndarray,
        from_ideal: np.ndarray | None,
        from_shown: np.ndarray | None,
        n_samples: int,
    ) -> None:
        """Add a batch.

        Parameters
        ----------
        ideal, shown : float array (n_images, *shape)
            a and r.
        from_ideal, from_shown : float array (n_images, *shape) or None
            f(W a + I) and f(W r + I).
        n_samples : int
            Pairs to keep.
        """
        error = np.abs(shown - ideal)
        self.n += error.size
        self.error += float(error.sum())
        self.max_error = max(self.max_error, float(error.max()))
        self.size += float(np.abs(ideal).sum())
        products = (ideal**2, shown**2, ideal * shown)
        self.moments += [ideal.sum(), shown.sum(), *(product.sum() for product in products)]
        if self.spiking:
            active = ideal > self.least
            self.n_active += int(active.sum())
            self.n_saturated += int((ideal > SATURATION).sum())
            self.n_silent += int((active & (shown == 0)).sum())
        alive = ((ideal > 0) | (shown != 0)).any(axis=0)
        self.alive = alive if self.alive is None else self.alive | alive
        if from_ideal is not None:
            self.linear = True
            self.mismatch_error += float(np.abs(from_ideal - ideal).sum())
        self._split(ideal, shown, from_ideal, from_shown)
        self._keep(ideal, shown, n_samples)

    def add_residual(self, residual: np.ndarray, uncertainty: np.ndarray) -> None:
        """Add a batch's violation of the closed form, and what of it rounding explains."""
        # np.maximum, unlike max, keeps a NaN.
        self.residual = float(np.maximum(self.residual or 0.0, np.abs(residual).max()))
        self.uncertainty = float(np.maximum(self.uncertainty, uncertainty.max()))
        self.excess = float(np.maximum(self.excess, (np.abs(residual) / uncertainty).max()))

    @property
    def correlation(self) -> float:
        """Pearson's correlation; NaN if both sides are constant, 0 if one is."""
        x, y, xx, yy, xy = self.moments / self.n
        spread = xx - x * x, yy - y * y
        # Below this a spread is the rounding of the sums.
        constant = [s <= 1e-12 * square for s, square in zip(spread, (xx, yy), strict=True)]
        if any(constant):
            return float("nan") if all(constant) else 0.0
        return float(np.clip((xy - x * y) / np.sqrt(spread[0] * spread[1]), -1, 1))

    @property
    def mismatch(self) -> float | None:
        """Mean abs(f(W a + I) - a) over mean abs(a), or None."""
        return self.mismatch_error / (self.size or 1.0) if self.linear else None

    def _split(
        self,
        ideal: np.ndarray,
        shown: np.ndarray,
        from_ideal: np.ndarray | None,
        from_shown: np.ndarray | None,
    ) -> None:
        target = ideal if from_shown is None else from_shown
        if from_ideal is not None and from_shown is not None:
            self.parts["propagated"] += float(np.abs(from_shown - from_ideal).sum())
        error = np.abs(shown - target)
        saturated = (target > SATURATION) & self.spiking
        silent = (target > 0) & (shown == 0) & ~saturated & self.spiking
        self.parts["saturation"] += float(error[saturated].sum())
        self.parts["silence"] += float(error[silent].sum())
        self.parts["remainder"] += float(error[~saturated & ~silent].sum())

    def _keep(self, ideal: np.ndarray, shown: np.ndarray, n_samples: int) -> None:
        moving = np.flatnonzero((ideal != 0) | (shown != 0))
        kept = self.random.choice(moving, min(n_samples, moving.size), replace=False)
        pairs = np.stack([ideal.ravel()[kept], shown.ravel()[kept]])
        self.samples.append(pairs.astype(np.float32))


def of_sizes(kernel: Kernel, counting: bool) -> Kernel:
    """A linear kernel with the sizes of its weights, or with 1 in their place."""
    if not kernel.multiplies:
        return kernel  # its weights are positive, and its terms fewer than their sum times the pool
    return kernel.with_weights(np.ones_like if counting else np.abs)


def equal_weights(kernel: Kernel, rows: int = 16) -> int:
    """How many weights of a unit are equal, at most, in a kernel's first rows."""
    weights = np.asarray(getattr(kernel, "weights", ()))
    if weights.ndim < 2:
        return 1
    some = weights.reshape(len(weights), -1)[:rows]
    times = (np.unique(row[row != 0], return_counts=True)[1] for row in some)
    return max((int(counts.max(initial=1)) for counts in times), default=1)


def sized(population: Population) -> bool:
    """Whether the population's spikes have sizes, whose signed sums are its rates."""
    return "theta_p" in population.parameters or _is_sum_of_sizes(population)


def _is_sum_of_sizes(population: Population) -> bool:
    """Whether the spikes have sizes of one sign, and the model notes their sum."""
    model = population.model
    return model.spike == "graded" and "total" in model.final and "theta_p" not in model.parameters


def fires(population: Population) -> bool:
    """Whether the population's model has a threshold."""
    return population.model.threshold is not None


def _linear(projection: Projection, population: Population) -> bool:
    return (
        projection.kernel.linear
        and projection.sign == 0
        and float(projection.gain) == 1
        and projection.variable in (None, population.model.input)
    )


def _threshold(population: Population) -> np.ndarray:
    theta = population.parameters.get("theta", population.parameters.get("theta_p", 1.0))
    return np.asarray(theta, dtype=np.float64)


def _initial(population: Population) -> float | np.ndarray:
    return initial_values(population).get(str(population.model.potential), 0.0)


def _scale(scale: object, population: Population) -> np.ndarray:
    """Lambda as an array that broadcasts over (n_images, *shape)."""
    array = np.asarray(scale, dtype=np.float64)
    if not np.isfinite(array).all() or not (array > 0).all():
        raise InputError(f"the scale of {population.name!r} must be positive, but is {scale}")
    if array.ndim == 0:
        return array
    if array.shape != population.shape[:1]:
        raise InputError(
            f"the scales of {population.name!r} must be one number or one for each of its"
            f" {population.shape[0]} channels, but have the shape {array.shape}"
        )
    return array.reshape(-1, *(1,) * (len(population.shape) - 1))
