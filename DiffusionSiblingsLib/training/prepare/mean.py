"""The pose that a cohort is prepared for when no model gives one: its own mean, upright and centred."""

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
    """The mean of a cohort. folder: of the cases that step one has kept; names, keys: of the cases, in order.

    The first case gives a pose to begin with; the mean of a few turns it upright, so that it no longer matters which
    came first; the mean of up to 100 is the reference. Kept in `folder` for an interrupted run.
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
    mean = Reference.from_tensors(mean.tensors())  # as rounded in the file, so that every run aligns to the same
    with atomic_path(path) as temporary:
        save_file({**mean.tensors(), "key": np.frombuffer(key.encode(), dtype=np.uint8)}, temporary)
    return mean


def _arrays(folder: Path, names: Sequence[str], most: int) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Labels and affine of up to `most` cases, evenly spaced in the list."""
    step = max(1, -(-len(names) // most))
    for name in names[::step]:
        arrays = load_arrays(folder, name)
        yield arrays["labels"], arrays["affine"]
