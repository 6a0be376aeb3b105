"""Measures in a record: a number that is not finite is null there, and reads back as what it was."""

from __future__ import annotations

import json
import math
from pathlib import Path

from DiffusionSiblingsLib.core.files import write_json
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey
from DiffusionSiblingsLib.metrics.measures.measure import Measured


def test_a_number_that_is_not_finite_comes_back_from_a_file(tmp_path: Path) -> None:
    keys = [MeasurementKey("wall", "LV", "mm"), MeasurementKey("wall", "RV", "mm")]
    write_json(tmp_path / "a.json", Measured({keys[0]: 3.5, keys[1]: math.nan}, {}).to_json())
    again = Measured.from_json(json.loads((tmp_path / "a.json").read_text()))
    assert again.values[keys[0]] == 3.5 and math.isnan(again.values[keys[1]])
