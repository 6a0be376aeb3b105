"""A volume of numbers, such as a probability in each voxel, as a NIfTI file. (Label maps: `write_labelmap`.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.files import atomic_path
from ...core.labelmap import Affine
from .nifti import write_bytes
from .nifti_header import new_header, set_affine, set_voxels
from .volume import little_endian


def write_scalars(values: npt.NDArray[np.floating[Any]], affine: Affine, path: Path, *, description: str = "",
                  shown: tuple[float, float] | None = None) -> Path:
    """Writes float32 numbers as .nii or .nii.gz, atomically -> path. Raises OutputError.

    values: (D, H, W), KJI order. affine: (4, 4), voxel IJK -> RAS mm. description: at most 79 letters of ASCII.
    shown: the range that a viewer should map to its colours at first.
    """
    data = np.ascontiguousarray(values, dtype=np.float32)
    header, extensions = new_header(), bytes(4)
    set_voxels(header, data, extensions)
    header["descrip"] = description.encode("ascii", errors="replace")[:79]
    if shown is not None:
        header["cal_min"], header["cal_max"] = shown
    set_affine(header, affine)
    with atomic_path(path) as temporary:
        write_bytes(temporary, header.binaryblock + extensions, little_endian(data))
    return path
