r"""Neurons with units in NIR: BioNet's ``lif`` as LIF and CubaLIF, interneurons, sums of dendrites.

NIR's equations have a resistance and no capacitance:

.. math::

    C \dot v = g_L (E_L - v) + I + I_{syn} \quad\text{is}\quad
    \tau_{mem} \dot v = v_{leak} - v + r\,i, \qquad
    \tau_{mem} = \frac{C}{g_L},\ r = \frac{1}{g_L},\ v_{leak} = E_L + \frac{I}{g_L}

with v in volts and i in amperes. A spike of weight w raises BioNet's synaptic current by g w, with
the projection's gain g, which is a charge of g w tau_syn; in NIR it lasts a step, so

.. math::

    w_{in}\,dt = g\,\tau_{syn}

A neuron that hears only the pixels of an image has no use for a synaptic current: it is a LIF with
r = g / g_L, as exact as BioNet's. So is one with delta synapses, whose potential a spike raises by
g w: r (1 - exp(-dt/tau)) = g. The weights of the graph are BioNet's own in all three.

The refractory period and the initial potential travel in the metadata. In NIR a spike drives the
potential in the step in which it arrives; BioNet's synaptic current jumps at the end of that step,
so that other tools may fire a step earlier.

===============  =======  ====================================================================
symbol           unit     meaning
===============  =======  ====================================================================
``C``            farad    capacitance
``g_L``          siemens  leak conductance
``E_L``          volt     resting potential
``I``            amp      constant current
``I_syn``        amp      synaptic current, decays with ``tau_syn``
``g``            amp      gain of the projections (of delta synapses in volt)
``w_in``         amp      weight of the input of NIR's synaptic current
===============  =======  ====================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import Quantity, amp, ms, siemens, volt

from bionet.equations import NeuronModel, lif
from bionet.equations.synapses import exponential
from bionet.equations.units import same_unit
from bionet.errors import InputError
from bionet.exchange.nir_conventions import NirConvention
from bionet.network import Population, SpikingNetwork
from bionet.network.input_population import input_spikes

__all__ = [
    "Gains",
    "checked_units",
    "differential",
    "lif_gains",
    "lif_of",
    "noted_gains",
    "physical_fields",
    "physical_gate",
    "physical_kind",
    "physical_node",
    "physical_words",
]


@dataclass(frozen=True)
class Gains:
    """Gains of what a population hears, in SI units; None where it hears nothing such.

    Attributes
    ----------
    spikes : float or None
        Of the projections that bring spikes.
    pixels : float or None
        Of the projection that brings an analog input.
    """

    spikes: float | None = None
    pixels: float | None = None

    @classmethod
    def of(cls, snn: SpikingNetwork, name: str) -> Gains:
        """The gains of the first projections into a population."""
        gains: dict[str, float] = {}
        for projection in snn.projections:
            if projection.target == name:
                analog = projection.source == "input" and not input_spikes(snn)
                gains.setdefault("pixels" if analog else "spikes", float(projection.gain))
        return cls(**gains)


def differential(model: NeuronModel) -> dict[str, str]:
    """The differential equations of a model, by variable."""
    return {n: str(e.expr) for n, e in model.brian().items() if e.type == "differential equation"}


def physical_kind(model: NeuronModel) -> str | None:
    """``"synaptic"`` or ``"delta"`` for a lif with such synapses, ``"gate"``, ``"sum"``, or None.

    A gate fires in a step in which it receives enough, such as the interneurons of Dale's
    principle; a sum hands on what it receives within the step.
    """
    equations, received = differential(model), model.input
    if not equations:
        if model.update is None and model.spike == "unit" and physical_gate(model) is not None:
            return "gate"
        hands_on = model.amplitude and model.update == f"{model.amplitude} = {received}"
        empties = (model.threshold, model.reset) == (f"{received} > 0", f"{received} = 0")
        return "sum" if hands_on and empties and model.spike == "graded" else None
    fires_as_lif = (model.threshold, model.reset) == (lif().threshold, lif().reset)
    if not fires_as_lif or model.events:
        return None
    heard = set(model.inputs.values()) or {model.input}
    if equations == differential(lif()):
        return "delta" if heard <= {"v", "z"} else None
    current = "I_syn"
    plain = exponential(1 * ms).on(lif())
    return "synaptic" if equations == differential(plain) and heard == {current} else None


def physical_fields(
    kind: str, values: Mapping[str, Any], gains: Gains, dt: float
) -> tuple[str, dict[str, Any], float]:
    """A lif's NIR node, its fields, and the factor on the weights of an analog input.

    Parameters
    ----------
    kind : {"synaptic", "delta"}
    values : mapping of str to float or array
        Parameters of the model in SI units.
    gains : Gains
    dt : float
        Simulation step in seconds.

    Raises
    ------
    InputError
        If the factor differs from unit to unit.
    """
    g_l = values["g_L"]
    tau = values["C"] / g_l
    leak = {"v_leak": values["E_L"] + values["I"] / g_l}
    leak |= {"v_threshold": values["theta"], "v_reset": values["v_reset"]}
    pixels = gains.pixels
    if kind == "synaptic" and gains.spikes is not None:
        w_in = gains.spikes * values["tau_syn"] / dt
        fields = {"tau_mem": tau, "tau_syn": values["tau_syn"], "r": 1 / g_l, "w_in": w_in}
        return "CubaLIF", fields | leak, _one(None if pixels is None else pixels / w_in)
    if gains.spikes is None:
        return "LIF", {"tau": tau, "r": (1.0 if pixels is None else pixels) / g_l} | leak, 1.0
    r = gains.spikes / -np.expm1(-dt / tau)
    return "LIF", {"tau": tau, "r": r} | leak, _one(None if pixels is None else pixels / g_l / r)


def physical_node(
    nir: Any, population: Population, gains: Gains, dt: float
) -> tuple[Any, float] | None:
    """The node of a population of neurons with units, and the factor on an analog input's weights.

    None where the model is none of these.

    Raises
    ------
    InputError
        If NIR has no node for a current from pixels that differs from unit to unit.
    """
    model, shape = population.model, population.shape
    kind = physical_kind(model)
    if kind is None:
        return None
    metadata: dict[str, Any] = {"bionet_model": json.dumps(model.to_dict())}
    factor = 1.0
    if kind == "sum":
        node = nir.Scale(np.ones(shape))
    elif kind == "gate":
        threshold = np.full(shape, physical_gate(model), dtype=np.float32)
        node = nir.Threshold(np.nextafter(threshold, np.float32(-np.inf)).astype(float))
    else:
        values = {name: np.asarray(v, dtype=float) for name, v in population.parameters.items()}
        try:
            name, fields, factor = physical_fields(kind, values, gains, dt)
        except InputError as error:
            raise InputError(f"population {population.name!r}: {error}") from None
        theta = np.asarray(fields["v_threshold"], dtype=np.float32)
        fields["v_threshold"] = np.nextafter(theta, np.float32(-np.inf)).astype(float)
        node = getattr(nir, name)(**{n: np.broadcast_to(v, shape) * 1.0 for n, v in fields.items()})
        # A scalar as a plain number: HDF5 cannot compress an array without dimensions.
        metadata |= {f"bionet_{n}": v if v.ndim else float(v) for n, v in values.items()}
        for what in ("spikes", "pixels"):
            if (gain := getattr(gains, what)) is not None:
                metadata[f"bionet_gain_{what}"] = gain
        metadata["bionet_drive"] = factor
    node.metadata = metadata
    return node, factor


def noted_gains(model: NeuronModel, metadata: Mapping[str, Any]) -> tuple[Gains, dict[str, Any]]:
    """The gains that a node notes, and the same with their units, by ``spikes`` and ``pixels``."""
    plain = {
        what: float(np.asarray(metadata[f"bionet_gain_{what}"]))
        for what in ("spikes", "pixels")
        if f"bionet_gain_{what}" in metadata
    }
    heard = next(iter(model.inputs.values()), model.input)
    units: dict[str, Any] = {
        "spikes": Quantity.with_dimensions(1.0, model.dimensions[heard]),
        "pixels": 1 * amp,
    }
    return Gains(**plain), {what: value * units[what] for what, value in plain.items()}


def physical_words(model: NeuronModel) -> list[str]:
    """What of a model with units NIR does not say, beside what it does not say of any model."""
    if physical_kind(model) != "synaptic":
        return []
    return ["a synaptic current that jumps at the end of the step in which a spike arrives"]


def lif_of(
    kind: str, values: Mapping[str, Any], units: tuple[Quantity, Quantity]
) -> tuple[NeuronModel, dict[str, Any]]:
    """A LIF or a CubaLIF of a file as a lif with delta or exponential synapses, and its parameters.

    Parameters
    ----------
    kind : {"LIF", "CubaLIF"}
    values : mapping of str to float or array
        Fields of the node, ``theta`` its threshold.
    units : (Quantity, Quantity)
        What 1 in the file is: of a potential, of a resistance.

    Returns
    -------
    model, parameters
    """
    from bionet.equations.synapses import delta

    potential, resistance = units
    tau = values["tau"] if kind == "LIF" else values["tau_mem"]
    g_l = 1 / (np.asarray(values["r"]) * resistance)
    parameters = {
        "C": np.asarray(tau) * g_l * Quantity.with_dimensions(1.0, ms.dim),
        "g_L": g_l,
        "E_L": np.asarray(values["v_leak"]) * potential,
        "theta": np.asarray(values["theta"]) * potential,
        "v_reset": np.asarray(values["v_reset"]) * potential,
        "t_ref": 0 * ms,
    }
    if kind == "LIF":
        return delta().on(lif()), parameters
    tau_syn = np.asarray(values["tau_syn"]) * Quantity.with_dimensions(1.0, ms.dim)
    return exponential(1 * ms).on(lif()), parameters | {"tau_syn": tau_syn}


def lif_gains(
    values: Mapping[str, Any], units: tuple[Quantity, Quantity], convention: NirConvention
) -> dict[str, Any]:
    """What a weight of 1 before a LIF or a CubaLIF of a file is, of spikes and of pixels.

    Parameters
    ----------
    values : mapping of str to float or array
        Fields of the node.
    units : (Quantity, Quantity)
        What 1 in the file is: of a potential, of a resistance.
    convention : NirConvention
        How its steps are taken; Euler's method gives a spike dt/tau of its area.
    """
    potential, resistance = units
    current, dt = potential / resistance, convention.dt

    def share(tau: Any) -> Any:
        x = dt / np.asarray(tau, dtype=float)
        return x if convention.integration == "euler" else -np.expm1(-x)

    if "tau" in values:
        return {"spikes": values["r"] * share(values["tau"]) * potential, "pixels": current}
    arrives = 1.0 if convention.synapse == "jump" else dt / np.asarray(values["tau_syn"])
    return {"spikes": values["w_in"] * arrives * current, "pixels": values["w_in"] * current}


def checked_units(potential: Any, resistance: Any) -> tuple[Quantity, Quantity] | None:
    """The units of potentials and resistances in a file, or None where neither is given.

    Raises
    ------
    InputError
        If only one is given, or it has another dimension or is not above 0.
    """
    if potential is None and resistance is None:
        return None
    for name, value, unit, example in (
        ("potential_unit", potential, volt, "10*mV"),
        ("resistance_unit", resistance, 1 / siemens, "100*Mohm"),
    ):
        if value is None or not same_unit(value, unit) or not float(value) > 0:
            raise InputError(
                f"from_nir: {name} must be what 1 in the file is, such as {example}, but is"
                f" {value!r}; give both potential_unit and resistance_unit, or neither"
            )
    return potential, resistance


def physical_gate(model: NeuronModel) -> float | None:
    """What a unit without memory must receive in a step to fire."""
    match = re.fullmatch(rf"{model.input} >= (\d*\.?\d+)", model.threshold or "")
    empties = (model.reset,) == (f"{model.input} = 0",)
    return float(match[1]) if match and empties else None


def _one(factor: Any) -> float:
    """One number where all are the same."""
    values = np.asarray(1.0 if factor is None else factor, dtype=float).reshape(-1)
    if np.ptp(values) > 1e-12 * abs(values[0]):
        raise InputError(
            "pixels and spikes reach units of different time constants or conductances, which no"
            " weights of NIR can say; save the network with snn.save"
        )
    return float(values[0])
