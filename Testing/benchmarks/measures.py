"""How repeatable the measures by name are: each real heart in many poses, on grids of 0.7 to 2 mm, some mirrored.

    python Testing/benchmarks/measures.py [LABEL_MAP ...] [--poses 20] [--json FILE]

Label maps: by default real hearts beside the checkout. Prints, for each measure, the mean over the poses and the
coefficient of variation (standard deviation / mean), and the processor seconds of one heart. Errors against known
values are in Testing/lib/metrics/test_measures.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "lib")]

from drawn_shapes import turned  # noqa: E402

from DiffusionSiblingsLib.core.anatomy import load_anatomy  # noqa: E402
from DiffusionSiblingsLib.labelmaps.read import read_labelmap  # noqa: E402
from DiffusionSiblingsLib.labelmaps.tissues import known_labels  # noqa: E402
from DiffusionSiblingsLib.metrics.measures.measure import measure  # noqa: E402

HEART = load_anatomy("heart")
HEARTS = ("rodero_ct_07", "rodero_ct_13", "rodero_ct_14")
SPACINGS = (1.4, 0.7, 1.0, 2.0)  # mm
SMOOTHING = 0.6  # voxels of the map's own grid, so that turning it does not carry its steps along
MARGIN_MM = 6.0
AREA, OTHER = 3.0, 2.0  # per cent: the bars of areas and of all else
Labels = npt.NDArray[np.integer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = ROOT.parent / "shared" / "data" / "hearts" / "real"
    parser.add_argument("maps", nargs="*", type=Path, default=[folder / f"{name}.nii.gz" for name in HEARTS])
    parser.add_argument("--poses", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write all values to this file as well")
    arguments = parser.parse_args()
    values = {path.name: of_heart(path, arguments.poses) for path in arguments.maps}
    titles = list(dict.fromkeys(title for found in values.values() for title in found))
    print(f"{'measure':46s}" + "".join(f"{name.split('.')[0]:>24s}" for name in values))
    for title in titles:
        print(f"{title:46s}" + "".join(f"{_cell(found.get(title, []), title):>24s}" for found in values.values()))
    if arguments.json:
        arguments.json.write_text(json.dumps(values, indent=1), encoding="utf-8")


def of_heart(path: Path, poses: int) -> dict[str, list[float]]:
    """Values of each measure in every pose, by title."""
    labelmap = read_labelmap(path, HEART)
    labels, affine = known_labels(labelmap, HEART), labelmap.affine
    values, missing, seconds = defaultdict(list), defaultdict(int), []
    for pose in range(poses):
        map_, where = on_another_grid(labels, affine, turned(pose), SPACINGS[pose % 4], mirrored=pose % 2 == 1)
        start = time.process_time()
        found = measure(map_, where, HEART)
        seconds.append(time.process_time() - start)
        for key, value in found.values.items():
            values[key.title].append(value)
        for name in found.missing:
            missing[name] += 1
    print(f"{path.name}: {np.median(seconds):.2f} s; not found: {dict(missing) or 'none'}", flush=True)
    return dict(values)


def on_another_grid(labels: Labels, affine: npt.NDArray[np.float64], turn: npt.NDArray[np.float64], spacing: float, *,
                    mirrored: bool) -> tuple[Labels, npt.NDArray[np.float64]]:
    """The same heart on a turned, isotropic grid: at each voxel the tissue whose smoothed map is highest.

    labels: (D, H, W), KJI order. turn: (3, 3) rotation. spacing: mm. Returns labels (d, h, w) and (4, 4) affine.
    """
    points = np.argwhere(labels)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    center = points.mean(axis=0)
    half = np.abs((points - center) @ turn).max(axis=0) + MARGIN_MM
    size = np.ceil(2 * half / spacing).astype(int) + 1  # along I, J, K
    where = np.eye(4)
    where[:3, :3] = turn * spacing * np.array([-1 if mirrored else 1, 1, 1])
    where[:3, 3] = center - where[:3, :3] @ ((size - 1) / 2)
    to_old = np.linalg.inv(affine) @ where
    flip = np.eye(3)[::-1]  # between IJK and KJI
    matrix, offset = flip @ to_old[:3, :3] @ flip, to_old[:3, 3][::-1]
    best, found = np.zeros(size[::-1], np.float32), np.zeros(size[::-1], np.uint8)
    for value in range(7):
        soft = ndimage.gaussian_filter((labels == value).astype(np.float32), SMOOTHING)
        here = ndimage.affine_transform(soft, matrix, offset, tuple(size[::-1]), order=1, cval=float(value == 0))
        found[here > best] = value
        best = np.maximum(best, here)
    return found, where


def _cell(values: list[float], title: str) -> str:
    """Mean and coefficient of variation, starred where it is over its bar."""
    if not values:
        return "-"
    variation = 100 * np.std(values) / np.mean(values)
    star = "*" if variation > (AREA if "area [" in title or "[mm^2]" in title else OTHER) else " "
    return f"{np.mean(values):9.2f} {variation:6.2f} %{star}"


if __name__ == "__main__":
    main()
