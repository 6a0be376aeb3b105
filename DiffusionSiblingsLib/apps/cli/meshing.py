"""`siblings mesh`: meshes of one label map, of a run or of a folder. Never loads torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ...cohorts.members import Member, find_member, find_members, is_cohort
from ...cohorts.pool import jobs_of
from ...core.anatomy import Anatomy, load_anatomy
from ...core.errors import InputError
from ...core.files import json_values
from ...core.names import names_of
from ...core.progress import ProgressBar
from ...labelmaps.label_options import parse_labels
from ...meshing.mesh_many import MeshOutcome, mesh_members
from ...meshing.settings import Fill, MeshSettings, parse_walls
from .meshing_options import Mesh
from .terminal import FileNotes, note, print_table

MOST_ROWS = 20


def mesh(options: Mesh) -> int:
    """siblings mesh MAP_OR_DIR: a mesh of every map; names those that cannot be meshed at the end (exit code 2)."""
    anatomy = load_anatomy(options.anatomy)
    settings = _settings(options)
    members = (find_members(options.source, anatomy=anatomy) if is_cohort(options.source, anatomy)
               else [_single(options.source, anatomy)])
    twin = None if options.like is None else _single(options.like, anatomy)
    labels = parse_labels(options.labels) if options.labels else None
    made: list[MeshOutcome] = []
    failed, notes = [], FileNotes()
    with ProgressBar("Meshing", total=len(members), unit="maps", kept=False) as bar:
        for member, found in mesh_members(members, options.out, anatomy, settings, labels=labels,
                                          jobs=jobs_of(options.jobs), resume=options.resume, replace=options.replace,
                                          twin=twin, progress=bar.show):
            if isinstance(found, str):
                failed.append(f"siblings: {member.path}: {found}")
                continue
            made.append(found)
            notes.add(member.path, found.notes)
    notes.close()
    _show(options, made)
    for message in failed:
        print(message, file=sys.stderr)
    return InputError.exit_code if failed else 0


def _single(path: Path, anatomy: Anatomy) -> Member:
    if not path.exists():
        raise InputError(f"{path} does not exist", rule="a label map, or a folder of label maps", hint="check the path")
    return find_member(path, anatomy)


def _settings(options: Mesh) -> MeshSettings:
    if options.surface and options.tets:
        raise InputError("The options --surface and --tets contradict each other", rule="one of them at most",
                         hint="leave out one of them")
    if options.resume and options.replace:
        raise InputError("The options --resume and --replace contradict each other", rule="one of them at most",
                         hint="leave out one of them")
    fill: Fill = "surfaces" if options.surface else "tetrahedra" if options.tets else "as the formats need"
    return MeshSettings(tuple(dict.fromkeys(names_of(options.formats))), fill, options.edge,
                        parse_walls(options.walls), options.valves, options.numbering, options.space, options.grade)


def _show(options: Mesh, made: Sequence[MeshOutcome]) -> None:
    """A table (or the reports as JSON), what was repaired and grown, and where the files are."""
    if options.json:
        print(json.dumps(json_values([outcome.report for outcome in made]), indent=1))
        return
    if not made:
        return
    print_table([_row(outcome) for outcome in made[:MOST_ROWS]])
    if len(made) > MOST_ROWS:
        print(f"and {len(made) - MOST_ROWS} more")
    if len(made) == 1:
        print("\nPatches:\n")
        print_table([{"patch": patch["name"], "id": patch["id"], "kind": patch["kind"],
                      "area [mm^2]": patch["area_mm2"], "perimeter [mm]": patch["perimeter_mm"],
                      "diameter of equal area [mm]": patch["diameters_mm"].get("of equal area")}
                     for patch in made[0].report["patches"]])
    for outcome in made:
        if missing := outcome.report["patches_missing"]:
            note(f"{outcome.member.name}: tissues that would have these patches between them do not touch: "
                 f"{', '.join(missing)}")
    if grown := made[0].report["grown, not imaged"]:
        print(f"\nGrown, not imaged: {', '.join(row['id'] for row in grown)}")
    for outcome in made:
        if why := outcome.report["like"].get("why"):
            note(f"{outcome.member.name}: its mesh has elements of its own and not the twin's: {why}")
    kept = sum(outcome.kept for outcome in made)
    if kept:
        print(f"\n{kept} of {len(made)} meshes were there already.")
    where = made[0].folder if len(made) == 1 else options.out
    print(f"\nThe files and mesh.json are in {where}, in mm unless mesh.json says otherwise, in {options.space} axes.")


def _row(outcome: MeshOutcome) -> dict[str, object]:
    report = outcome.report
    worst = max((abs(tissue["difference_percent"] or 0.0) for tissue in report["tissues"]), default=0.0)
    areas = {patch["id"]: patch["area_mm2"] for patch in report["patches"] if patch["kind"] == "valve"}
    carried = {"twin's elements": report["like"].get("carried"), "mean distance [mm]":
               report["like"].get("mean_distance_mm")} if report["settings"]["like"] else {}
    return {"map": outcome.member.name, **carried, "triangles": report["counts"]["triangles"],
            "tetrahedra": report["counts"]["tetrahedra"] or None, "patches": report["counts"]["patches"],
            "largest volume difference [%]": worst,
            **{f"{ident.replace('_', ' ')} [mm^2]": area for ident, area in areas.items()}}
