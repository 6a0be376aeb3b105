"""Fixtures that several of the library's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of models with the small one, as $SIBLINGS_MODELS, so that a record's model id finds it."""
    from hearts import small_model  # not every test of this folder needs the library

    folder = tmp_path_factory.mktemp("models")
    small_model(folder / "small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBLINGS_MODELS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def heart() -> tuple[Any, Any, Any]:
    """A heart of ellipsoids in a pose, on an anisotropic grid with axes of its own: labels, affine, pose."""
    import numpy as np
    from frames import grid_around, heart_on, random_pose

    from DiffusionSiblingsLib.core.anatomy import load_anatomy

    rng = np.random.default_rng(11)
    pose = random_pose(rng)
    affine, shape = grid_around(rng, pose, (1.6, 1.9, 2.4))
    return heart_on(affine, shape, load_anatomy("heart"), pose), affine, pose
