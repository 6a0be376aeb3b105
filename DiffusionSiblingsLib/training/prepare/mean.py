"""The pose for which a cohort is prepared if no model defines it: its own mean, upright and centred."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ...core.files import atomic_path
from ...labelmaps.geometry.reference import Reference, build_reference, posed_reference, starting_reference, upright
from .cases import load_arrays

FIRST = 25  # cases of the first round, by centroids alone
MOST = 100  # cases of the mean


def cohort_reference(folder: Path, names: Sequence[str], keys: Sequence[str], anatomy: Anatomy) -> Reference:
    """The mean of a cohort. folder: of the cases accepted in step one. names, keys: of the cases, in order.

    The first case gives an initial pose. The mean of a few cases turns it upright, so that the choice of the first case
    no longer matters. The mean of up to 100 cases is the reference. It is kept in `folder` for an interrupted run.
    """
    path = folder / "mean.safetensors"
    key = hashlib.sha256("".join(keys).encode()).hexdigest()
    try:
        tensors = load_file(path)
        if tensors["key"].tobytes().decode() == key:
            return Reference.from_tensors(tensors)
    except (OSError, SafetensorError, KeyError, ValueError, InputError):
        pass
    first = load_arrays(folder, names[0])
    start = starting_reference(first["labels"], first["affine"], anatomy)
    rough = build_reference(_arrays(folder, names, FIRST), anatomy, start)
    begin = posed_reference(upright(rough, anatomy), anatomy)
    middle = build_reference(_arrays(folder, names, FIRST), anatomy, begin)
    mean = build_reference(_arrays(folder, names, MOST), anatomy, middle)
    mean = Reference.from_tensors(mean.tensors())  # rounded as in the file, so that every run aligns to the same mean
    with atomic_path(path) as temporary:
        save_file({**mean.tensors(), "key": np.frombuffer(key.encode(), dtype=np.uint8)}, temporary)
    return mean


def _arrays(folder: Path, names: Sequence[str], most: int) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Labels and affine of up to `most` cases, evenly spaced in the list."""
    step = max(1, -(-len(names) // most))
    for name in names[::step]:
        arrays = load_arrays(folder, name)
        yield arrays["labels"], arrays["affine"]
