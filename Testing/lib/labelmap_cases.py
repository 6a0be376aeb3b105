"""Small label maps for the tests of readers and writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment

HEART = load_anatomy("heart")
OWN = {tissue.id: tissue.label for tissue in HEART.tissues}
# Centre and semi-axes in mm (x, y, z), one drawn over the other: LV to LA along +z, the right heart at +x, and no plane
# of symmetry, so that a mirror image shows.
PARTS = {
    "Myo": ((-12, 0, -15), (29, 29, 42)),
    "LV": ((-12, 0, -10), (20, 20, 34)),
    "RV": ((28, 0, -10), (18, 24, 32)),
    "LA": ((-14, -16, 42), (24, 20, 19)),
    "RA": ((34, 14, 40), (19, 20, 20)),
    "Ao": ((-2, 18, 45), (10, 10, 40)),
}
FILES = ("nii", "nii.gz", "nrrd", "seg.nrrd", "mha")
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Zs")), min_size=1, max_size=12)


def blocks(shape: tuple[int, int, int] = (8, 10, 12)) -> np.ndarray:
    """(D, H, W) uint8: a heart of 179 voxels, enough of one for its unnamed values to be known."""
    turn = np.array([[0.303, -0.377, 0.875], [-0.898, 0.194, 0.394], [-0.319, -0.906, -0.280]])
    k, j, i = np.indices((8, 10, 12))
    place = (np.stack([i, j, k], axis=-1) - [5.5, 4.5, 3.5]) * 11.8 @ turn
    labels = np.zeros((8, 10, 12), np.uint8)
    for name, (centre, axes) in PARTS.items():
        inside = (((place - centre - [0, 0, 14]) / axes) ** 2).sum(axis=-1) <= 1
        labels[inside & (labels == 0) if name in ("RV", "RA", "Ao") else inside] = HEART.label_of(name)
    wide = np.zeros(np.maximum(shape, labels.shape), np.uint8)
    wide[:8, :10, :12] = labels
    return wide[: shape[0], : shape[1], : shape[2]]


def heart(labels: np.ndarray | None = None, affine: np.ndarray | None = None, named: bool = True) -> LabelMap:
    """A label map in memory in the heart's own numbering."""
    labels = blocks() if labels is None else labels
    affine = np.diag([0.7, 0.8, 1.1, 1.0]) if affine is None else affine
    segments = tuple(
        Segment(t.label, t.name if named else "", t.id, t.color if named else None, tags=t.tags if named else {})
        for t in HEART.tissues
    )
    return LabelMap(labels, affine, segments)


def cut(source: Path, length: int) -> Path:
    """A copy of a file that ends after `length` bytes, beside it."""
    target = source.with_name("cut." + source.name.partition(".")[2])
    target.write_bytes(source.read_bytes()[:length])
    return target


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """(4, 4) voxel IJK -> RAS mm: oblique, left- or right-handed, anisotropic, far from the origin or near."""
    quaternion = np.array(draw(st.tuples(*[st.floats(-1, 1, width=32)] * 4))) + np.array([1e-3, 0, 0, 0])
    q0, q1, q2, q3 = quaternion / np.linalg.norm(quaternion)
    rotation = np.array([
        [1 - 2 * (q2 * q2 + q3 * q3), 2 * (q1 * q2 - q0 * q3), 2 * (q1 * q3 + q0 * q2)],
        [2 * (q1 * q2 + q0 * q3), 1 - 2 * (q1 * q1 + q3 * q3), 2 * (q2 * q3 - q0 * q1)],
        [2 * (q1 * q3 - q0 * q2), 2 * (q2 * q3 + q0 * q1), 1 - 2 * (q1 * q1 + q2 * q2)],
    ])  # fmt: skip
    if draw(st.booleans()):
        rotation = np.eye(3)
    spacing = draw(st.tuples(*[st.floats(0.3, 5.0)] * 3))
    flips = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    order = draw(st.permutations([0, 1, 2]))
    affine = np.eye(4)
    affine[:3, :3] = (rotation * flips)[:, order] * spacing
    affine[:3, 3] = draw(st.tuples(*[st.floats(-1000, 1000)] * 3))
    return affine


@st.composite
def label_maps(draw: st.DrawFn) -> LabelMap:
    """Random voxels of all six tissues and up to three unknown labels, on a random grid, every value named."""
    shape = draw(st.tuples(*[st.integers(5, 9)] * 3))
    high = draw(st.sampled_from([255, 32767, 65535, 100_000]))
    values = draw(st.lists(st.integers(1, high), min_size=6, max_size=9, unique=True))
    names = draw(st.lists(NAMES, min_size=3, max_size=3, unique=True))
    names = [name if HEART.identify(name) is None else f"other {k}" for k, name in enumerate(names)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = int(np.prod(shape))
    filled = [np.repeat(values, 10), rng.choice([0, *values], count - 10 * len(values))]
    flat = np.concatenate(filled)
    dtype = draw(
        st.sampled_from([t for t in (np.uint8, np.int16, np.uint16, np.int32) if max(values) <= np.iinfo(t).max])
    )
    color = st.tuples(*[st.integers(0, 255).map(lambda v: v / 255)] * 3)
    segments = [
        Segment(value, tissue.aliases[-1], tissue.id, draw(color), f"id {value}", tissue.tags)
        for value, tissue in zip(values, HEART.tissues, strict=False)
    ]
    segments += [
        Segment(value, name, None, draw(color), f"id {value}", {"Kind": "a:b;c"})
        for value, name in zip(values[6:], names, strict=False)
    ]
    return LabelMap(rng.permutation(flat).reshape(shape).astype(dtype), draw(affines()), tuple(segments))
