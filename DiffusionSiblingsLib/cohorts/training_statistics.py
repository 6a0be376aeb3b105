"""The measurements of the hearts that a model was trained on, and whether a request stays within them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import load_anatomy
from ..core.errors import ModelError, SiblingsError, reason_of
from ..core.files import atomic_path
from ..core.json_files import MALFORMED, read_json
from ..core.limits import MOST_RECORD_BYTES
from ..metrics.measurement import MeasurementKey, key_of, tissue_key
from ..metrics.measures.definition import ratios_of
from ..metrics.measures.measure import measure
from ..metrics.measures.probes import steerable
from ..metrics.morphology import all_measurements, features, tissue_volumes

if TYPE_CHECKING:
    from ..core.anatomy import Anatomy
    from .dataset_file import Pack

SCHEMA = "siblings-cohort/1"
FILE_NAME = "cohort.json"  # beside the model card
DECIMALS = 1  # 0.1 ml and 0.1 mm: a voxel is coarser than that
UNUSUAL = 99.0  # per cent of the training hearts: a ratio or a combination beyond those of so many is unusual
NOISE = 0.01  # relative: a guided volume ends within so much of its target
UNLIKE_ANY = 0.99  # share of the training hearts that have a nearer one; the few others stand alone themselves
Tissues = tuple[str, ...]


@dataclass(frozen=True)
class TrainingStatistics:
    """What a model has seen. keys: the measurements. rows: (N, keys) float64, one row for each training map, sorted by
    value so that the order says nothing about the patients. measures: by name, (N,) float64 in the order of the rows,
    nan for a heart in which one was not found; empty for a model that was trained before they were kept.
    """

    anatomy: str
    keys: tuple[MeasurementKey, ...]
    rows: npt.NDArray[np.float64]
    measures: Mapping[MeasurementKey, npt.NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, key: MeasurementKey) -> npt.NDArray[np.float64]:
        """(N,) float64, the values of one measurement; KeyError if it is not among `keys`."""
        if key not in self.keys:
            raise KeyError(key)
        return self.rows[:, self.keys.index(key)]

    def columns(self) -> dict[MeasurementKey, npt.NDArray[np.float64]]:
        """(N,) float64 for each measurement."""
        return {key: self.rows[:, index] for index, key in enumerate(self.keys)}

    def volumes(self, tissues: Tissues) -> npt.NDArray[np.float64]:
        """(N,) float64, ml of several tissues together; KeyError for a tissue that was not measured."""
        columns = [self.column(tissue_key(tissue)) for tissue in tissues]
        return np.asarray(np.sum(columns, axis=0), dtype=np.float64)


def measure_training_set(pack: Pack, anatomy: Anatomy, splits: Sequence[str] = ("train",)) -> dict[str, Any]:
    """Features, tissue volumes and measures by name of a data set's maps, as `write_training_statistics` takes them.

    Rounded, without names, and sorted by value: the file tells the range of the cohort, and nothing about its members.
    Of the measures by name those are kept that a target can ask for.
    """
    affine = np.diag([pack.spacing, pack.spacing, pack.spacing, 1.0])
    rows, named = [], []
    for index in pack.indices(*splits):
        labels = pack.labels(index)
        rows.append(all_measurements(features(labels, affine, anatomy), tissue_volumes(labels, affine, anatomy)))
        named.append({key: value for key, value in measure(labels, affine, anatomy).values.items()
                      if steerable(key, anatomy)})
    keys = list(rows[0]) if rows else []
    measures = list(dict.fromkeys(key for found in named for key in found))
    values = [[round(float(row[key]), DECIMALS) for key in keys] for row in rows]
    order = sorted(range(len(rows)), key=values.__getitem__)
    return {"schema": SCHEMA, "anatomy": anatomy.id, "columns": [key.title for key in keys],
            "rows": [values[n] for n in order], "measures": [[key.tissue, key.name, key.unit] for key in measures],
            "measured": [[_rounded(named[n].get(key)) for key in measures] for n in order]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DECIMALS)


def write_training_statistics(folder: Path, statistics: Mapping[str, Any]) -> Path:
    """Writes a model's cohort.json, one line for each map -> its path."""
    path = folder / FILE_NAME
    tables = ("rows", "measured")
    text = json.dumps({key: value for key, value in statistics.items() if key not in tables})[:-1]
    for table in tables:
        rows = (json.dumps(row, separators=(",", ":"), allow_nan=False) for row in statistics.get(table, ()))
        text += f', "{table}": [\n' + ",\n".join(rows) + "\n]"
    text += "}\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_training_statistics(folder: Path) -> TrainingStatistics | None:
    """The statistics of the model in that folder, None where it ships none. Raises ModelError for a damaged file."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        values = read_json(path, MOST_RECORD_BYTES)
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']}, this version reads {SCHEMA}")
        keys = tuple(key_of(str(title)) for title in values["columns"])
        rows = np.array(values["rows"], dtype=np.float64).reshape(-1, len(keys))
        if len(rows) != len(values["rows"]) or not len(rows) or not np.isfinite(rows).all():
            raise ValueError("rows of finite numbers, one for each column")
        return TrainingStatistics(str(values["anatomy"]), keys, rows, _measures(values, len(rows)))
    except (OSError, SiblingsError, *MALFORMED) as error:
        raise ModelError("The measurements of the training hearts cannot be read", value=f"{path}: {reason_of(error)}",
                         rule="the JSON that `siblings train` writes",
                         hint="add the model again, or delete the file to go without its warnings") from error


def _measures(values: Mapping[str, Any], count: int) -> dict[MeasurementKey, npt.NDArray[np.float64]]:
    """The measures by name of a file, one value for each of its rows."""
    keys = [MeasurementKey(str(name), str(of), str(unit)) for of, name, unit in values.get("measures", [])]
    table = np.array(values.get("measured", []), dtype=np.float64).reshape(-1, len(keys)) if keys else None
    if table is None:
        return {}
    if len(table) != count or np.isinf(table).any():
        raise ValueError("measures of numbers, one for each row and key")
    return dict(zip(keys, table.T, strict=True))


def beyond_training(volumes: Mapping[Tissues, float], statistics: TrainingStatistics) -> tuple[str, ...]:
    """Warnings about requested volumes: those outside the range of the training hearts, or an unusual combination.

    volumes: tissues -> ml requested for these tissues together; most often a single tissue.
    """
    known = {tissues: ml for tissues, ml in volumes.items()
             if all(tissue_key(tissue) in statistics.keys for tissue in tissues)}
    warnings = []
    for tissues, ml in known.items():
        seen = statistics.volumes(tissues)
        low, high = float(seen.min()), float(seen.max())
        if not low <= ml <= high:
            warnings.append(f"{' + '.join(tissues)} {ml:.0f} ml is beyond what the model was trained on ({low:.0f} to "
                            f"{high:.0f} ml in {len(statistics)} hearts; the nearest has "
                            f"{low if ml < low else high:.0f} ml): check whether the siblings reach it, and look at "
                            "their shapes")
    return tuple(warnings) or _unlike_any(known, statistics) or _odd_ratios(known, statistics)


def odd_ratio(key: MeasurementKey, percentile: float) -> str:
    """"RV/LV volume ratio above that of 99.7 %", where that is unusual among the training hearts; "" elsewhere."""
    if percentile > UNUSUAL:
        return f"{key.label} above that of {percentile:.1f} %"
    return f"{key.label} below that of {100 - percentile:.1f} %" if percentile < 100 - UNUSUAL else ""


def _odd_ratios(volumes: Mapping[Tissues, float], statistics: TrainingStatistics) -> tuple[str, ...]:
    """A warning for each ratio of requested volumes that few training hearts have; a per cent more or less is none."""
    warnings = []
    for key, (of, over) in ratios_of(load_anatomy(statistics.anatomy)).items():
        if (of,) not in volumes or not volumes.get((over,)):
            continue
        asked, seen = volumes[of,] / volumes[over,], statistics.volumes((of,)) / statistics.volumes((over,))
        below, above = (100 * float(np.mean(one)) for one in (seen < (1 - NOISE) * asked, seen > (1 + NOISE) * asked))
        if words := odd_ratio(key, max(below, 50.0)) or odd_ratio(key, 100 - max(above, 50.0)):
            warnings.append(f"The targets ask for a {words} of the training hearts, which is no clinical range ("
                            f"{asked:.2f}; half of them lie between {np.quantile(seen, 0.25):.2f} and "
                            f"{np.quantile(seen, 0.75):.2f}): look at the shapes of the siblings")
    return tuple(warnings)


def _unlike_any(volumes: Mapping[Tissues, float], statistics: TrainingStatistics) -> tuple[str, ...]:
    """A warning where each volume is usual, but their combination is not.

    Distances are in standard deviations of the training hearts. A heart is unlike any of them if it is farther from the
    nearest one than nearly all training hearts are from theirs.
    """
    if len(volumes) < 2 or len(statistics) < 3:
        return ()
    seen = np.stack([statistics.volumes(tissues) for tissues in volumes], axis=1)  # (N, volumes)
    scale = np.maximum(seen.std(axis=0), 1e-9)
    seen, asked = seen / scale, np.array(list(volumes.values())) / scale
    distances = np.linalg.norm(seen - asked, axis=1)
    nearest, between = int(distances.argmin()), np.quantile(own_nearest(seen), UNLIKE_ANY)
    if distances[nearest] <= between:
        return ()
    closest = dict(zip(volumes, seen[nearest] * scale, strict=True))
    pairs = [f"{' + '.join(tissues)} {closest[tissues]:.0f} ml (target {ml:.0f} ml)" for tissues, ml in volumes.items()]
    return (f"No training heart of the model combines volumes like these; the nearest of {len(statistics)} hearts "
            f"has {', '.join(pairs)}",)


def own_nearest(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N,) float64: distance of each point to the nearest other one. points: (N, F) float64."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(points).query(points, k=2)[0][:, 1], dtype=np.float64)
