"""Thousands of damaged files: each is a label map or one error, in bounded time and memory.

SIBLINGS_MUTATIONS=5000 in the environment draws so many for each format.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from labelmap_cases import FILES, HEART, heart
from labelmap_mutations import mutated
from nibabel.nifti2 import Nifti2Header

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

COUNT = int(os.environ.get("SIBLINGS_MUTATIONS", "150"))
SECONDS, BYTES = 10.0, 1 << 30


def second_version(raw: bytes) -> bytes:
    """The same map as NIfTI-2."""
    header = Nifti2Header(bytes(540), "<", check=False)
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 540, b"n+2\0\r\n\x1a\n", 544
    header["dim"], header["datatype"], header["bitpix"], header["pixdim"] = [3, 12, 10, 8, 1, 1, 1, 1], 2, 8, [1] * 8
    return header.binaryblock + bytes(4) + raw[-960:]


def sound(folder: Path, format: str) -> list[bytes]:
    """Whole files of a format: named and unnamed, of one and of two bytes a voxel."""
    maps = [heart(), heart(named=False), heart(heart().labels.astype(np.int16))]
    files = [write_labelmap(one, folder / f"sound{n}", format).read_bytes() for n, one in enumerate(maps)]
    return [*files, second_version(files[1])] if format == "nii" else files


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("format", FILES)
def test_a_damaged_file_is_a_map_or_one_error_in_bounded_time_and_memory(
    format: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, path = sound(tmp_path, format), tmp_path / f"twin.{format}"
    slowest, largest, refused = 0.0, 0, 0
    for seed in range(COUNT):
        path.write_bytes(mutated(format, seed, whole))
        tracemalloc.start()
        start = time.perf_counter()
        try:
            write_labelmap(read_labelmap(path, HEART), tmp_path / "again", format)
        except InputError as error:
            refused += 1
            assert "memory" not in error.message(), seed
        slowest = max(slowest, time.perf_counter() - start)
        largest = max(largest, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert slowest < SECONDS and largest < BYTES, seed
    assert capfd.readouterr() == ("", ""), "readers say nothing on the terminal"
    assert refused > COUNT // 3
    with capfd.disabled():
        if "SIBLINGS_MUTATIONS" in os.environ:
            print(f"\n{format}: {refused} of {COUNT} refused, slowest {slowest:.2f} s, largest {largest >> 20} MiB")
