"""The measurements of the hearts that a model was trained on, and whether what is asked for lies among them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..core.errors import ModelError
from ..core.files import atomic_path
from ..metrics.morphology import by_column, features, tissue_volumes

if TYPE_CHECKING:
    from ..core.anatomy import Anatomy
    from .dataset_file import Pack

SCHEMA = "siblings-cohort/1"
FILE_NAME = "cohort.json"  # beside the model card
DECIMALS = 1  # 0.1 ml and 0.1 mm: finer than a voxel is no support for anything
UNLIKE_ANY = 0.99  # of the training hearts are nearer to another one; the few others stand alone themselves
Tissues = tuple[str, ...]


@dataclass(frozen=True)
class Support:
    """What a model has seen. columns: "LV volume [ml]", ... rows: (N, columns) float64, one for each training map,
    in the order of their values and of nothing else.
    """

    anatomy: str
    columns: tuple[str, ...]
    rows: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """(N,) the values of one column; KeyError if there is none."""
        if name not in self.columns:
            raise KeyError(name)
        return self.rows[:, self.columns.index(name)]

    def volumes(self, tissues: Tissues) -> npt.NDArray[np.float64]:
        """(N,) ml of some tissues together; KeyError for a tissue that was not measured."""
        columns = [self.column(f"{tissue} volume [ml]") for tissue in tissues]
        return np.asarray(np.sum(columns, axis=0), dtype=np.float64)


def cohort_statistics(pack: Pack, anatomy: Anatomy, splits: Sequence[str] = ("train",)) -> dict[str, Any]:
    """Morphological features and tissue volumes of a data set's maps, as `write_cohort` takes them.

    Rounded, without names, and sorted by value: it tells the range of the cohort and nothing of who is in it.
    """
    affine = np.diag([pack.spacing, pack.spacing, pack.spacing, 1.0])
    rows = []
    for index in pack.indices(*splits):
        labels = pack.labels(index)
        rows.append(by_column(features(labels, affine, anatomy), tissue_volumes(labels, affine, anatomy)))
    columns = list(rows[0]) if rows else []
    values = sorted([round(float(row[column]), DECIMALS) for column in columns] for row in rows)
    return {"schema": SCHEMA, "anatomy": anatomy.id, "columns": columns, "rows": values}


def write_cohort(folder: Path, statistics: Mapping[str, Any]) -> Path:
    """Writes a model's cohort.json, one line for each map -> its path."""
    path = folder / FILE_NAME
    head = {key: value for key, value in statistics.items() if key != "rows"}
    rows = ",\n".join(json.dumps(row, separators=(",", ":"), allow_nan=False) for row in statistics["rows"])
    text = json.dumps(head)[:-1] + ', "rows": [\n' + rows + "\n]}\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_cohort(folder: Path) -> Support | None:
    """The cohort of the model in that folder, None where it has none. Raises ModelError if it is damaged."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']}, this version reads {SCHEMA}")
        columns = tuple(str(name) for name in values["columns"])
        rows = np.array(values["rows"], dtype=np.float64).reshape(-1, len(columns))
        if len(rows) != len(values["rows"]) or not len(rows) or not np.isfinite(rows).all():
            raise ValueError("rows of finite numbers, one for each column")
        return Support(str(values["anatomy"]), columns, rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError("The measurements of the training cohort cannot be read", value=f"{path}: {error!r}",
                         rule="the JSON that `siblings train` writes",
                         hint="add the model again, or delete the file to go without its warnings") from error


def unsupported(volumes: Mapping[Tissues, float], support: Support) -> tuple[str, ...]:
    """What to warn of before volumes are asked for: those outside the cohort's range, or a combination unlike any.

    volumes: tissues (together, most often one) -> ml asked for, of those tissues as a whole.
    """
    known = {tissues: ml for tissues, ml in volumes.items()
             if all(f"{tissue} volume [ml]" in support.columns for tissue in tissues)}
    warnings = []
    for tissues, ml in known.items():
        seen = support.volumes(tissues)
        low, high = float(seen.min()), float(seen.max())
        if not low <= ml <= high:
            warnings.append(f"{' + '.join(tissues)} {ml:.0f} ml is beyond what the model was trained on ({low:.0f} to "
                            f"{high:.0f} ml in {len(support)} hearts, the nearest has "
                            f"{low if ml < low else high:.0f} ml): look at whether it is reached, and at the shapes")
    return tuple(warnings) or _unlike_any(known, support)


def _unlike_any(volumes: Mapping[Tissues, float], support: Support) -> tuple[str, ...]:
    """A warning where several volumes are usual each, but not together.

    Distances are in standard deviations of the cohort; a heart further from its nearest than nearly all
    training hearts are from their own nearest is unlike any of them.
    """
    if len(volumes) < 2 or len(support) < 3:
        return ()
    seen = np.stack([support.volumes(tissues) for tissues in volumes], axis=1)  # (N, volumes)
    scale = np.maximum(seen.std(axis=0), 1e-9)
    seen, asked = seen / scale, np.array(list(volumes.values())) / scale
    distances = np.linalg.norm(seen - asked, axis=1)
    nearest, between = int(distances.argmin()), np.quantile(own_nearest(seen), UNLIKE_ANY)
    if distances[nearest] <= between:
        return ()
    closest = dict(zip(volumes, seen[nearest] * scale, strict=True))
    told = ", ".join(f"{' + '.join(tissues)} {closest[tissues]:.0f} ml for {ml:.0f}" for tissues, ml in volumes.items())
    return (f"No heart that the model was trained on has volumes like these together; the nearest of {len(support)} "
            f"has {told}",)


def own_nearest(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, F) -> (N,) distance of each point to the nearest other one."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(points).query(points, k=2)[0][:, 1], dtype=np.float64)
