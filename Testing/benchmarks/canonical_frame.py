"""How well and how fast a heart finds its canonical frame, and the way back: prints the figures of the README.

python Testing/benchmarks/canonical_frame.py [LABEL_MAP ...] --reference PACK [--poses 20]
Label maps: by default the held-out real hearts beside the checkout. Seconds are of one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "lib")]

from frames import dice, grid_around, lowest_pairwise_dice, random_pose  # noqa: E402

from DiffusionSiblingsLib.cohorts.dataset_file import read_pack  # noqa: E402
from DiffusionSiblingsLib.core.anatomy import load_anatomy  # noqa: E402
from DiffusionSiblingsLib.labelmaps.geometry.canonical import canonicalise  # noqa: E402
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame  # noqa: E402
from DiffusionSiblingsLib.labelmaps.geometry.reference import Reference  # noqa: E402
from DiffusionSiblingsLib.labelmaps.geometry.resample import to_twin  # noqa: E402
from DiffusionSiblingsLib.labelmaps.read import read_labelmap  # noqa: E402
from DiffusionSiblingsLib.labelmaps.tissues import known_labels  # noqa: E402

HEART = load_anatomy("heart")
FRAME = CanonicalFrame.of(HEART)
HELD_OUT = ("rodero_ct_13", "rodero_ct_14", "rodero_ct_15", "toronto_normal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = ROOT.parent / "shared" / "data" / "hearts" / "real"
    parser.add_argument("maps", nargs="*", type=Path, default=[folder / f"{name}.nii.gz" for name in HELD_OUT])
    parser.add_argument("--reference", type=Path, required=True, help="a prepared data set")
    parser.add_argument("--poses", type=int, default=20)
    arguments = parser.parse_args()
    reference = read_pack(arguments.reference).reference
    for path in arguments.maps:
        labelmap = read_labelmap(path, HEART)
        poses(path.name, known_labels(labelmap, HEART), labelmap.affine, reference, arguments.poses)


def poses(name: str, labels: np.ndarray, affine: np.ndarray, reference: Reference, count: int) -> None:
    """One heart in `count` poses on grids of 0.3 to 2 mm, and there and back on its own grid."""
    canonical = canonicalise(labels, affine, HEART, reference, cut_limit=0.2)
    hard = np.stack([canonical.labels == value for value in range(7)]).astype(np.float16)
    start = time.process_time()
    back = to_twin(hard, canonical.to_world, FRAME, affine, labels.shape, np.ones(labels.shape, bool))
    back_seconds = time.process_time() - start
    print(f"{name}: there and back {rounded(dice(back.labels, labels, HEART))}, back in {back_seconds:.2f} s")
    rng = np.random.default_rng(0)
    maps, seconds, sizes = [], [], []
    for index in range(count):
        spacing = 0.3 if index == 0 else rng.uniform(0.6, 2.0, 3 if index % 2 else 1)
        world = random_pose(rng)
        grid, shape = grid_around(rng, world, spacing, half=85)
        twin = to_twin(hard, world, FRAME, grid, shape, np.ones(shape, bool)).labels
        start = time.process_time()
        maps.append(canonicalise(twin, grid, HEART, reference, cut_limit=0.2).labels)
        seconds.append(time.process_time() - start)
        sizes.append(twin.size)
    print(
        f"  {count} poses, grids of {min(sizes) / 1e6:.1f} to {max(sizes) / 1e6:.0f} million voxels:"
        f" lowest pairwise Dice {rounded(lowest_pairwise_dice(maps, HEART))},"
        f" {np.median(seconds):.2f} s, at most {max(seconds):.2f} s"
    )


def rounded(values: dict[str, float]) -> str:
    return ", ".join(f"{tissue} {value:.4f}" for tissue, value in values.items())


if __name__ == "__main__":
    main()
