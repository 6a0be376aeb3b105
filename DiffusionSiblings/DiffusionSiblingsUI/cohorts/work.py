"""Long work with cohorts, in short steps: open a folder, show a member, compare two, write a report (no Qt)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.defaults import DEFAULT_MODEL
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import read_exchange, write_exchange
from DiffusionSiblingsUI.cohorts import cohorts
from DiffusionSiblingsUI.cohorts.cohorts import Cohort, FolderCohort, SceneCohort
from DiffusionSiblingsUI.cohorts.results import Results, keep_results
from DiffusionSiblingsUI.runs.edits import job_steps
from DiffusionSiblingsUI.runs.operation import Status, Steps, part
from DiffusionSiblingsUI.runs.scene_edits import recorded_tissues
from DiffusionSiblingsUI.scene import bridge, runs, surfaces, tables

if TYPE_CHECKING:
    from DiffusionSiblingsUI.runs.session import Session

CACHE = "cohorts"  # folder of the session that keeps what was measured: no heart is measured twice
OPENED, HANDED = 0.95, 0.1  # shares of the whole at which members are measured, and at which they are sent


def opening(session: Session, folder: Path | str, *, model: str = DEFAULT_MODEL) -> Steps[FolderCohort]:
    """Opens a folder of label maps, or of a run -> the cohort that is in the scene then. Raises InputError.

    model: to whose training hearts and in whose frame its hearts are measured.
    """
    rows: list[dict[str, Any]] = []
    command = {"command": "cohort", "folder": str(Path(folder).absolute()), "model": model,
               "cache": str(session.folder / CACHE)}
    job = job_steps(session, command, "members", lambda event: rows.extend(event["rows"]))
    result = yield from part(job, 0.0, OPENED, _("Opening the cohort"))
    yield Status(OPENED, _("Making the table"))
    node = yield from tables.tabling(rows, None, slicer.mrmlScene.GenerateUniqueName(Path(folder).absolute().name))
    cohort = cohorts.mark_folder(node, result["folder"], result["failed"])
    session.memory.remember(node, rows)
    return cohort


def showing(session: Session, cohort: Cohort, number: int, in_3d: bool = False) -> Steps[Any]:
    """The segmentation node of a member, read from its file if it is not in the scene yet. Raises InputError.

    in_3d: with closed surfaces.
    """
    node = cohort.nodes[number] if isinstance(cohort, SceneCohort) else (yield from _read(session, cohort, number))
    if in_3d:
        yield from surfaces.surfacing(node)
    return node


def _read(session: Session, cohort: FolderCohort, number: int) -> Steps[Any]:
    """The member of a folder in place of the one that was looked at before."""
    row = tables.row_of(cohort.node, number)
    file, node = str(row[cohorts.FILE]), cohorts.shown_node(str(row[cohorts.FILE]))
    if node is not None:
        cohorts.forget_shown(but=node)
        return node
    folder = session.new_folder()
    try:
        result = yield from job_steps(session, {"command": "member", "file": file, "out": str(folder / "member")})
        labelmap = read_exchange(result["stem"])
        yield None
        node = bridge.new_segmentation(labelmap, str(row["map"]))
    finally:
        session.remove(folder)
    node.SetAttribute(cohorts.MEMBER, file)
    node.GetDisplayNode().SetVisibility3D(False)
    cohorts.file_away(node)
    cohorts.forget_shown(but=node)
    return node


def comparing(session: Session, real: Any, synthetic: Any, out: Path | str | None = None, *, emd: bool = False,
              question: str = "", model: str = DEFAULT_MODEL) -> Steps[Results]:
    """Compares two cohorts -> what was found, which is in the scene then; the report lies in the folder `out`.

    real, synthetic: as `cohort_steps` takes them. out: None or "" for a folder of the session, gone when Slicer ends.
    question: what the comparison is to answer, for the report.
    """
    real = yield from cohort_steps(session, real, model)
    synthetic = yield from cohort_steps(session, synthetic, model)
    if real.id == synthetic.id:
        raise InputError(_("A cohort cannot be compared with itself"), value=real.title,
                         rule=_("two different cohorts"), hint=_("choose another one as the reference"))
    fingerprints = session.memory.fingerprints
    fingerprints.forget_folders()
    members = (yield from fingerprints.steps(real)), (yield from fingerprints.steps(synthetic))
    folder, kept = session.new_folder(), False
    try:
        command = {"command": "compare", "out": str(out or folder / "report"), "maps": str(folder), "emd": emd,
                   "question": question, "model": model, "cache": str(session.folder / CACHE)}
        sending = _("Sending the cohorts to the worker")
        for name, cohort, low, high in (("real", real, 0.0, HANDED / 2), ("synthetic", synthetic, HANDED / 2, HANDED)):
            command[name] = yield from part(_handed_over(cohort, folder / f"{name} maps"), low, high, sending)
        result = yield from part(job_steps(session, command), HANDED, 1.0)
        made = keep_results(real, synthetic, result, members, question)
        kept = True
        return made
    finally:
        if not kept:
            session.remove(folder)


def reporting(session: Session, cohort: Any, out: Path | str, *, question: str = "", use: str = "",
              model: str = DEFAULT_MODEL) -> Steps[Path]:
    """Writes the report of one cohort, as `cohort_steps` takes it, into the folder `out` -> the page.

    question: what the cohort is to answer. use: the context of use.
    """
    cohort = yield from cohort_steps(session, cohort, model)
    session.memory.fingerprints.forget_folders()
    about = [cohort.id, (yield from session.memory.fingerprints.steps(cohort)), question, use, model]
    folder = session.new_folder()
    try:
        sending = _("Sending the cohort to the worker")
        source = yield from part(_handed_over(cohort, folder / "maps"), 0.0, HANDED, sending)
        command = {"command": "report", "source": source, "out": str(out), "maps": str(folder), "question": question,
                   "use": use, "model": model, "cache": str(session.folder / CACHE)}
        result = yield from part(job_steps(session, command), HANDED, 1.0)
        page = Path(result["report"])
        session.memory.keep_report(Path(out), page, about)
        return page
    finally:
        session.remove(folder)


def cohort_steps(session: Session, given: Any, model: str) -> Steps[Cohort]:
    """A cohort as a script names it: itself, a run, a folder, or None for all siblings of the scene."""
    if isinstance(given, str | Path):
        return (yield from opening(session, given, model=model))
    return cohorts.cohort_of(given)


def _handed_over(cohort: Cohort, folder: Path) -> Steps[dict[str, Any]]:
    """A cohort for the worker: its folder, or its maps written into one."""
    if isinstance(cohort, FolderCohort):
        return {"folder": str(cohort.folder), "name": cohort.title}
    folder.mkdir(parents=True, exist_ok=True)
    stems: list[str] = []
    for run in cohort.runs:
        twin = run.record.get("twin")
        for node in run.siblings:
            tissues = recorded_tissues(node, twin) if twin else None
            name = str(node.GetAttribute(runs.MAP)) if len(cohort.runs) == 1 else f"map_{len(stems):04d}"
            bridged = yield from bridge.reading(node, tissues, complete=False)
            stems.append(str(write_exchange(bridged.labelmap, folder / name)))
            yield Status(None, _("Sending {name} to the worker").format(name=name))
    return {"maps": stems, "name": cohort.title, "record": cohort.runs[0].record if len(cohort.runs) == 1 else None}
