"""The public face of the library: its names are there, load when they are used, and only the engine loads torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import DiffusionSiblingsLib

public = DiffusionSiblingsLib

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "Resources" / "SampleData" / "synthetic_twin.seg.nrrd"


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `code`."""
    code += "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_library_loads_nothing_heavy() -> None:
    assert not loaded_by("import DiffusionSiblingsLib") & {"numpy", "scipy", "torch", "SimpleITK"}


def test_every_public_name_but_the_engine_comes_without_torch() -> None:
    names = ", ".join(name for name in public.__all__ if name != "Engine")
    assert "torch" not in loaded_by(f"from DiffusionSiblingsLib import {names}")


def test_every_public_name_is_there_and_listed_once() -> None:
    assert sorted(public.__all__) == sorted(set(public.__all__)) == sorted(set(dir(public)))
    assert all(getattr(public, name) is not None for name in public.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Heart'"):
        getattr(public, "Heart")  # noqa: B009 (the expression alone would look useless)


def test_a_map_is_read_measured_and_written_as_the_docstring_says(tmp_path: Path) -> None:
    labelmap = public.read(SAMPLE)
    path = public.write(labelmap, tmp_path / "copy.nii.gz")
    image = sitk.ReadImage(str(path))
    voxel_ml = np.prod(image.GetSpacing()) / 1000
    value = next(segment.value for segment in labelmap.segments if segment.tissue == "LV")
    volume = float((sitk.GetArrayFromImage(image) == value).sum() * voxel_ml)
    assert public.measure(labelmap).volumes["LV"] == pytest.approx(volume, rel=1e-6)
    assert public.measure(SAMPLE).volumes["LV"] == pytest.approx(volume, rel=1e-6)
