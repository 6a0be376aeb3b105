"""The report of a mesh as rows of a table: its tissues, its patches, its quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsUI.panels.result_table import Cell, number_cell

Report = Mapping[str, Any]
Cells = tuple[list[str], list[list[Cell]]]
MOST_PERCENT = 0.5  # of difference to the map's volume; more is shown in red
SHAPES = {"least": _("worst"), "p1": _("1st percentile"), "p5": _("5th percentile"), "median": _("median")}
KINDS = {"valve": _("valve"), "wall": _("wall"), "cut": _("cut end"), "interface": _("between tissues")}


def tissue_cells(report: Report) -> Cells:
    """Volumes of the mesh against those of the map."""
    heads = [_("Tissue"), _("Mesh [ml]"), _("Map [ml]"), _("Difference [%]")]
    filled = bool(report["counts"]["tetrahedra"])
    rows = []
    for row in report["tissues"]:
        percent = row["difference_percent"]
        bad = percent is None or abs(percent) > MOST_PERCENT
        cells = [Cell(row["name"]), number_cell(row["volume_ml"], 2), number_cell(row["map_volume_ml"], 2),
                 Cell("" if percent is None else f"{percent:+.3f}", number=True, bad=bad)]
        rows.append([*cells, number_cell(row["tetrahedra"], 0)] if filled else cells)
    return ([*heads, _("Tetrahedra")] if filled else heads), rows


def patch_cells(report: Report) -> Cells:
    """Areas of the patches."""
    heads = [_("Patch"), _("Area [mm²]"), _("Diameter [mm]"), _("Rim [mm]"), _("Kind")]
    return heads, [[Cell(row["name"], tip=_("In files: {id}").format(id=row["id"])),
                    number_cell(row["area_mm2"], 0), number_cell(row["diameters_mm"].get("of equal area"), 1),
                    number_cell(row["perimeter_mm"], 1),
                    Cell(KINDS.get(row["kind"], row["kind"]))] for row in report["patches"]]


def quality_cells(report: Report) -> Cells:
    """How good the tetrahedra are; no rows for a mesh of surfaces."""
    quality = report.get("tetrahedra") or {}
    rows: list[list[Cell]] = []
    for key, name in (("scaled_jacobian", _("Scaled Jacobian")), ("mean_ratio", _("Mean ratio"))):
        rows += [[Cell(f"{name}, {words}"), number_cell(quality[key][part], 3)]
                 for part, words in SHAPES.items() if part in quality.get(key, {})]
    for key, name in (("mean_edge_mm", _("Edge length, mean [mm]")), ("shortest_edge_mm", _("Edge length, least [mm]")),
                      ("longest_edge_mm", _("Edge length, greatest [mm]"))):
        rows += [[Cell(name), number_cell(quality[key], 2)]] if key in quality else []
    angles = quality.get("dihedral_angles_deg", {})
    for key, name in (("least", _("Dihedral angle, least [deg]")), ("greatest", _("Dihedral angle, greatest [deg]"))):
        rows += [[Cell(name), number_cell(angles[key], 1)]] if key in angles else []
    return [_("Measure"), _("Value")], rows


ROWS: dict[str, Callable[[Report], Cells]] = {_("Tissues"): tissue_cells, _("Patches"): patch_cells,
                                              _("Quality of tetrahedra"): quality_cells}
