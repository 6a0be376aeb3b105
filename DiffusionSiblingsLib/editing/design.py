"""Paired designs: the same noise in every cell of a grid of regions, ratios and magnitudes, and what each factor does.

Sibling k of every cell starts from the same noise, so that two cells differ in what was asked for and not in luck: the
difference of two siblings with one k is the effect of a factor on that draw, and its spread over k is much smaller than
that of unpaired siblings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohorts.measured_map import measurements_of, named_of
from ..control.control import Control
from ..control.placement import Placement
from ..control.terms import Target, Term
from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.record import Record
from ..metrics.measurement import MeasurementKey, titled
from .request import Request
from .wants import Want, control_of_wants

WHOLE = "whole"  # the region of a perturbation: everything
MOST_CELLS = 1000
MAGNITUDES = (-0.9, 3.0)
CONFIDENCE = 0.95
Row = dict[str, object]


@dataclass(frozen=True)
class Cell:
    """One combination of levels. region: tissues to draw anew, () for the whole heart. ratio: sampling ratio.

    magnitude: change that is asked for, 0.2 for 20 % more, None where nothing is asked. of: the measure by name that it
    changes, None for the region's volumes.
    """

    region: tuple[str, ...]
    ratio: float
    magnitude: float | None = None
    of: MeasurementKey | None = None

    @property
    def name(self) -> str:
        """"LV+RV, ratio 0.5, +20 %"; a measure is named before its change."""
        words = ["+".join(self.region) or WHOLE, f"ratio {self.ratio:g}"]
        if self.magnitude is not None:
            change = f"{100 * self.magnitude:+g} %" if self.magnitude else "0 %"
            words.append(change if self.of is None else f"{self.of.label} {change}")
        return ", ".join(words)


@dataclass(frozen=True)
class Design:
    """Levels of all factors; every combination is a cell.

    regions: tissues each, () for the whole heart. magnitudes: () asks for nothing; else 0, the twin's own value, is
    always among them. base: settings that all cells share (count, seed, first, steps, ...): above all one seed. of: the
    measure by name that magnitudes change, None for the volumes of the region.
    """

    regions: tuple[tuple[str, ...], ...]
    ratios: tuple[float, ...]
    magnitudes: tuple[float, ...] = ()
    base: Request = field(default_factory=lambda: Request("perturb"))
    of: MeasurementKey | None = None

    def __post_init__(self) -> None:
        low, high = MAGNITUDES
        if not self.regions or not self.ratios:
            raise InputError("The design has no cells", rule="at least one region and one ratio")
        if bad := [value for value in self.magnitudes if not low <= value <= high]:
            raise InputError("The magnitude cannot be used", value=bad[0], rule=f"a share from {low:g} to {high:g}",
                             hint="0.2 is 20 % more volume, -0.2 is 20 % less")
        levels = [tuple(dict.fromkeys(level)) for level in (self.regions, self.ratios, self.magnitudes)]
        for name, level in zip(("regions", "ratios", "magnitudes"), levels, strict=True):
            object.__setattr__(self, name, level)
        if self.magnitudes and 0.0 not in self.magnitudes:
            object.__setattr__(self, "magnitudes", (0.0, *self.magnitudes))
        if len(self.cells) > MOST_CELLS:
            raise InputError("The design is too large", value=f"{len(self.cells)} cells", rule=f"at most {MOST_CELLS}")

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All combinations: the magnitude changes first, then the ratio, then the region."""
        return tuple(Cell(region, ratio, magnitude, self.of) for region in self.regions for ratio in self.ratios
                     for magnitude in self.magnitudes or (None,))

    def base_of(self, cell: Cell) -> Cell | None:
        """What a cell is compared with, sibling by sibling: it differs in one factor alone.

        The same cell at magnitude 0; without magnitudes, at the first ratio; with one ratio only, in the first region.
        None for a cell that is itself a base.
        """
        if self.magnitudes:
            base = replace(cell, magnitude=0.0)
        elif len(self.ratios) > 1:
            base = replace(cell, ratio=self.ratios[0])
        else:
            base = replace(cell, region=self.regions[0])
        return None if base == cell else base

    def requests(self, heart: Placement) -> list[Request]:
        """One request for each cell, in their order. heart: the twin. Raises InputError for what it does not have."""
        return [self._request(cell, heart) for cell in self.cells]

    def _request(self, cell: Cell, heart: Placement) -> Request:
        for tissue in cell.region:
            heart.anatomy.tissue(tissue)  # says what is wrong
        edit: dict[str, Any] = {"edit": "inpaint", "tissues": cell.region} if cell.region else {"edit": "perturb"}
        control = None if cell.magnitude is None else _changed(cell, heart)
        return replace(self.base, ratio=cell.ratio, control=control, **edit)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"regions": [list(region) for region in self.regions], "ratios": list(self.ratios),
                "magnitudes": list(self.magnitudes), "base": self.base.to_json(),
                **({"of": self.of.title} if self.of is not None else {})}


def _changed(cell: Cell, heart: Placement) -> Control:
    """Asks for 1 + magnitude times a measure, or the volume of each tissue of the region, of each chamber where that is
    everything.

    At magnitude 0 it is held: cells then differ in nothing but the number that is asked for.
    """
    if cell.of is not None:
        return control_of_wants([Want(cell.of, Target(times=1 + (cell.magnitude or 0.0)))], heart)
    tissues = cell.region or heart.anatomy.chambers
    boxes = [heart.around([tissue]) for tissue in tissues]
    terms = [Term(tissue, "mass", Target(times=1 + (cell.magnitude or 0.0))) for tissue in tissues]
    return Control(tuple(boxes), tuple(terms), heart.frame, f"volume {100 * (cell.magnitude or 0.0):+g} %")


def parse_region(text: str, anatomy: Anatomy) -> tuple[str, ...]:
    """"LV,RV" -> both tissues as one region; "whole" -> everything. Raises InputError for an unknown tissue."""
    if text.strip().lower() == WHOLE:
        return ()
    names = {tissue.lower(): tissue for tissue in anatomy.ids}
    found = tuple(names.get(part.strip().lower(), part.strip()) for part in text.split(",") if part.strip())
    if unknown := [name for name in found if name not in anatomy.ids] or ([] if found else [text]):
        raise InputError("The region cannot be used", value=unknown[0],
                         rule=f"tissues ({', '.join(anatomy.ids)}) separated by commas, or {WHOLE}",
                         hint="write LV,RV for one region of both, LV RV for two regions")
    return found


def design_rows(design: Design, record: Record) -> list[Row]:
    """The design as one table: a row for each sibling that is there, with its factors, measurements and differences.

    "LV volume minus base [ml]": what the cell's one factor changed in this draw; empty in the base's own row and where
    the base has no sibling k. "... minus twin": against the twin. Measures by name are among the measurements, each
    found anew in each heart; one that either of two hearts lacks has no difference. record: of the run of `requests`,
    cells in order.
    """
    if len(record.runs) != len(design.cells):
        raise InputError("The record belongs to another design", value=f"{len(record.runs)} requests",
                         rule=f"one request for each of the {len(design.cells)} cells", hint="choose another --out")
    found = {(cell, entry["k"]): entry for cell, run in zip(design.cells, record.runs, strict=True)
             for entry in run["siblings"]}
    twin = _measured(record.twin) if record.twin is not None else {}
    rows = []
    for (cell, k), entry in found.items():
        base = design.base_of(cell)
        other = found.get((base, k)) if base is not None else None
        own = _measured(entry)
        its = _measured(other) if other is not None else {}
        row: Row = {"sibling": str(entry["file"]).split(".")[0], "cell": cell.name,
                    "region": "+".join(cell.region) or WHOLE, "ratio": cell.ratio,
                    "magnitude [%]": "" if cell.magnitude is None else 100 * cell.magnitude,
                    "seed": design.base.seed, "k": k, "base": base.name if base is not None else ""}
        row |= {"violations [%]": entry["checks"]["half"]["violation_percent"], **titled(own)}
        row |= {_minus_base(key): value - its[key] if key in its else "" for key, value in own.items()}
        row |= {key.title_with("minus twin"): value - twin[key] for key, value in own.items() if key in twin}
        rows.append(row)
    return rows


def effects(design: Design, rows: Sequence[Mapping[str, object]], keys: Sequence[MeasurementKey]) -> list[Row]:
    """What each cell's factor does, as the mean paired difference to its base with a 95 % interval (Student's t).

    rows: of `design_rows`. keys: the measurements. "unpaired": the standard deviation that a difference of two siblings
    with different noise has, to see what common noise gains. Intervals hold for this twin and model, not for patients.
    """
    from scipy.special import stdtrit

    found = []
    for cell in design.cells:
        own = [row for row in rows if row["cell"] == cell.name]
        base = design.base_of(cell)
        if base is None or not own:
            continue
        others = [row for row in rows if row["cell"] == base.name]
        for key in keys:
            column = _minus_base(key)
            paired = np.array([row[column] for row in own if row.get(column, "") != ""], dtype=np.float64)
            if not len(paired):
                continue
            result: Row = {"cell": cell.name, "base": base.name, "measurement": key.title, "pairs": len(paired),
                           "mean difference": float(paired.mean())}
            if len(paired) > 1:
                deviation = float(paired.std(ddof=1))
                half = float(stdtrit(len(paired) - 1, (1 + CONFIDENCE) / 2)) * deviation / np.sqrt(len(paired))
                apart = [np.var(_numbers(side, key), ddof=1) for side in (own, others)]
                result |= {"low": float(paired.mean() - half), "high": float(paired.mean() + half),
                           "standard deviation": deviation, "unpaired": float(np.sqrt(sum(apart)))}
            found.append(result)
    return found


def levels(design: Design, rows: Sequence[Mapping[str, object]], keys: Sequence[MeasurementKey]) -> list[Row]:
    """What each cell reached: how many of its siblings have a measurement, and its median, least and greatest value.

    rows: of `design_rows`. keys: the measurements; those that no sibling of a cell has are left out there.
    """
    found: list[Row] = []
    for cell in design.cells:
        own = [row for row in rows if row["cell"] == cell.name]
        for key in keys:
            if len(values := _numbers(own, key)):
                found.append({"cell": cell.name, "measurement": key.title, "siblings": len(own), "found": len(values),
                              "median": float(np.median(values)), "least": float(values.min()),
                              "greatest": float(values.max())})
    return found


def _measured(entry: Mapping[str, Any]) -> dict[MeasurementKey, float]:
    """The measurements of an entry, measures by name among them."""
    return {**measurements_of(entry), **named_of(entry)}


def _numbers(rows: Sequence[Mapping[str, object]], key: MeasurementKey) -> npt.NDArray[np.float64]:
    """(n,) a measurement of the rows that have it."""
    return np.array([float(str(row[key.title])) for row in rows if row.get(key.title, "") != ""], dtype=np.float64)


def _minus_base(key: MeasurementKey) -> str:
    """The title of the difference to the base: "LV volume minus base [ml]"."""
    return key.title_with("minus base")
