"""Networks of the papers, by name, with their trained weights."""

from bionet.zoo.entries import (
    ENTRIES,
    ZooEntry,
    cifar10_quick,
    cifar10_quick_original,
    entry,
    lenet5,
    lenet5_original,
    load,
    load_weights,
    names,
    provenance,
    read_weights,
    rueckauer,
    shang,
    shipped,
    start_from,
)

__all__ = [
    "ENTRIES",
    "ZooEntry",
    "cifar10_quick",
    "cifar10_quick_original",
    "entry",
    "lenet5",
    "lenet5_original",
    "load",
    "load_weights",
    "names",
    "provenance",
    "read_weights",
    "rueckauer",
    "shang",
    "shipped",
    "start_from",
]
