"""The record of a run for people: what was made, with which model, from which twin, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.files import write_json
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsUI.rich_text import page

VERDICTS = {"identical": _("{count} identical in every voxel"),
            "within tolerance": _("{count} the same within rounding"),
            "different": _("{count} different")}
Pairs = list[tuple[str, str]]


def save_record(record: Mapping[str, Any], path: Path | str) -> Path:
    """Writes a record as the command line does; `siblings replay` reads it. Raises OutputError."""
    return write_json(Path(path), record)


def save_run(run: Any, path: Path | str) -> Path:
    """Writes the record of a run of the scene -> its path. Raises OutputError, InputError.

    The worker's file of the region that bounded the edit is gone by now: the region as the run keeps it is written
    beside the record, which names it by its file name alone, so that both can be moved together.
    """
    from DiffusionSiblingsUI.scene.bridge import read_segmentation
    from DiffusionSiblingsUI.scene.regions import write_mask

    path, record = Path(path), run.record
    bounded = [each["request"] for each in record["runs"] if each["request"].get("region")]
    if bounded and run.region_node is not None:
        region = read_segmentation(run.region_node, {}, complete=False)
        file = path.with_name(f"{path.stem}_region.nrrd")
        write_mask(region.labelmap.labels > 0, region.grid.affine, file)
        for request in bounded:
            request["region"] = file.name
    return save_record(record, path)


def summary(record: Mapping[str, Any]) -> list[tuple[str, Pairs]]:
    """A record in words: (heading, [(name, value)]) for model, computer, twin and each request."""
    model, compute, program = record["model"], record["compute"], record.get("program", {})
    software = compute.get("software", {})
    parts = [(_("Run"), [(_("made"), str(record["created"]).replace("T", " ")),
                         (_("complete"), _("yes") if record.get("complete") else _("no, it was stopped early")),
                         (_("program"), f"{program.get('name', '')} {program.get('version', '')}".strip())]),
             (_("Model"), [(_("model"), f"{model['id']} {model['version']}"),
                           (_("SHA-256 of its weights"), model["sha256"])]),
             (_("Computer"), [(_("device"), f"{compute['device']} ({compute.get('name', '')})"),
                              (_("precision"), str(compute.get("dtype", ""))),
                              (_("software"), ", ".join(f"{name} {version}" for name, version in software.items()))])]
    if record.get("twin"):
        parts.append((_("Twin"), _twin(record["twin"])))
    for number, run in enumerate(record["runs"], start=1):
        parts.append((_("Request {number}").format(number=number), _request(run)))
    return [(heading, [(name, value) for name, value in pairs if value]) for heading, pairs in parts]


def as_html(record: Mapping[str, Any]) -> str:
    """The summary as a page for a text browser."""
    return page(summary(record))


def verdict_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """One sentence for the verdicts of a replay."""
    if not rows:
        return _("There was nothing to replay.")
    counts = {verdict: sum(row.get("verdict") == verdict for row in rows) for verdict in VERDICTS}
    said = ", ".join(VERDICTS[verdict].format(count=count) for verdict, count in counts.items() if count)
    text = _("Replayed 1 sibling: {verdicts}.") if len(rows) == 1 else _("Replayed {count} siblings: {verdicts}.")
    return text.format(count=len(rows), verdicts=said)


def verdict_of(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The verdict on the sibling of that name, "" if it was not replayed."""
    return next((str(row["verdict"]) for row in rows if Path(str(row["sibling"])).name.split(".")[0] == name), "")


def _twin(twin: Mapping[str, Any]) -> Pairs:
    shape = " x ".join(str(size) for size in reversed(twin["shape_kji"]))
    tissues = ", ".join(f"{s['name'] or s['value']} = {s['tissue']}" for s in twin["segments"] if s.get("tissue"))
    failed = twin.get("checks", {}).get("half", {}).get("failed", [])
    agreement = twin.get("agreement_with_reference")
    return [(_("grid"), _("{shape} voxels").format(shape=shape)), (_("tissues"), tissues),
            (_("agreement with the model's mean heart"), f"{agreement:.2f}" if agreement is not None else ""),
            (_("failed checks"), ", ".join(failed) or _("none")),
            (_("SHA-256 of its voxels"), twin["labels_sha256"]), (_("notes"), " ".join(twin.get("warnings", [])))]


def _request(run: Mapping[str, Any]) -> Pairs:
    request, entries = run["request"], run["siblings"]
    known = {key: value for key, value in request.items() if key in Request.__dataclass_fields__}
    if known.get("region"):
        known["region"] = _("region")  # its file was ours
    numbers = [str(entry["k"]) for entry in entries]
    listed = ", ".join(numbers) if len(numbers) < 8 else _("{first} to {last}").format(first=numbers[0],
                                                                                      last=numbers[-1])
    failed = sum(bool(entry["checks"]["half"]["failed"]) for entry in entries)
    settings = {"steps": _("steps"), "solver": _("solver"), "method": _("method"), "resample": _("resampling"),
                "guider": _("guider"), "parsing": _("parsing"),
                "overwrite": _("overwrite segments that are not tissues of the model"),
                "repair": _("repair specks and contacts")}
    goals = [target for entry in entries for target in entry.get("guidance", [])]
    share = _("{number} of {count}")
    reached = share.format(number=sum(bool(target["reached"]) for target in goals), count=len(goals)) if goals else ""
    return [(_("edit"), Request.from_json(known).describe()), (_("seed"), str(request["seed"])),
            (_("sibling numbers"), listed),
            *((words, _plain(request[name])) for name, words in settings.items() if name in request),
            (_("targets reached"), reached), (_("notes"), " ".join(run.get("warnings", []))),
            (_("siblings with failed checks"), share.format(number=failed, count=len(entries)))]


def _plain(value: Any) -> str:
    return {True: _("yes"), False: _("no")}[value] if isinstance(value, bool) else str(value)


