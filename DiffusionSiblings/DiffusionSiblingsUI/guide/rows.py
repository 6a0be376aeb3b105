"""The rows of the guide's table: one for each domain and quantity, with the twin's value, the target and the outcome.

Also what editing a row changes. No Qt: the panel shows rows and hands back what was typed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.control.measure import Measurement
from DiffusionSiblingsLib.control.terms import Quantity, Term, free_name
from DiffusionSiblingsLib.core.errors import InputError, SiblingsError
from DiffusionSiblingsLib.editing.record_entries import guidance_of
from DiffusionSiblingsLib.editing.target_rows import cavity_words
from DiffusionSiblingsUI.guide import domains, targets
from DiffusionSiblingsUI.guide.live import LiveValue
from DiffusionSiblingsUI.scene import markups, tables

NO_QUANTITY = _("no target yet")
FIXED = _("Its place is fixed: it stays where it was drawn, while the heart moves under it.")
HELD = _("Held, or a target, when the sibling that is shown was made")


@dataclass(frozen=True)
class Row:
    """A row. node: the markups node, None for what the run held. term: index into its terms, None where it has none.

    part: which of the node's domains, from 0. reached: by the chosen sibling, None without one. tips: column ->
    text over it.
    """

    node: Any
    part: int
    term: int | None
    on: bool
    domain: str
    tissues: str
    quantity: str
    twin: str
    target: str = ""
    tolerance: str = ""
    achieved: str = ""
    reached: bool | None = None
    tips: tuple[tuple[str, str], ...] = ()

    @property
    def shown_domain(self) -> str:
        """The domain's name; that of a markup with a word on its place."""
        return self.domain if self.node is None else _("{domain} (fixed)").format(domain=self.domain)

    @property
    def key(self) -> tuple[str, int, int | None, str]:
        """The same for a row whose values have changed."""
        return (self.node.GetID() if self.node is not None else "", self.part, self.term, self.domain + self.quantity)


def rows_of(nodes: Iterable[Any], measured: Mapping[str, Sequence[LiveValue]],
            achieved: Sequence[Mapping[str, Any]] = ()) -> list[Row]:
    """Rows of these domains, then of what the sibling's run asked for elsewhere (held volumes).

    measured: node ID -> what the twin has. achieved: the sibling's "guidance" entry of the record. Its targets are
    those of the terms with their ids; records of earlier versions have no ids, and there names have to do.
    """
    outcome = {entry.get("id") or (entry["domain"], entry["quantity"]): entry for entry in achieved}
    rows: list[Row] = []
    names: list[str] = []
    for node in nodes:
        found = measured.get(node.GetID(), ())
        try:
            rows += _rows(node, domains.read_settings(node), found, outcome, names)
        except InputError as error:
            rows.append(Row(node, 0, None, False, node.GetName(), "", _("cannot be read"), "",
                            tips=(("quantity", error.message()),)))
    rows += [_held(entry) for entry in outcome.values()]
    return rows


def achieved_by(run: Any, number: int) -> list[dict[str, Any]]:
    """What became of each target in the chosen sibling of a run; [] where it was not guided."""
    if run is None:
        return []
    entries = [entry for each in run.record["runs"] for entry in each["siblings"]]
    return list(entries[number].get("guidance") or []) if number < len(entries) else []


def targets_words(record: Mapping[str, Any]) -> str:
    """How much of what a run's guide asked for was reached, in a sentence; "" where nothing was asked."""
    entries = [entry for run in record["runs"] for entry in run["siblings"] if entry.get("guidance")]
    targets_asked = [target for entry in entries for target in entry["guidance"]]
    if not targets_asked:
        return ""
    reached, whole = sum(bool(target["reached"]) for target in targets_asked), len(targets_asked)
    return _("All targets were reached.") if reached == whole \
        else _("{reached} of {whole} targets were reached; see the table.").format(reached=reached, whole=whole)


def target_heads(record: Mapping[str, Any]) -> dict[str, str]:
    """Title of a column with a target -> what the panel calls it: an amount is a volume, an area or a length."""
    heads = {}
    for item in [item for entry in tables.entries_of(record) for item in guidance_of(entry)]:
        what = f"{item.domain} {targets.quantity_words(item.quantity, item.unit).lower()}"
        unit = f" [{words}]" if (words := targets.unit_words(item.quantity, item.unit)) else ""
        heads[item.asked_title] = _("{what} asked{unit}").format(what=what, unit=unit)
        heads[item.achieved_title] = _("{what} achieved{unit}").format(what=what, unit=unit)
    return heads


def achieved_titles(record: Mapping[str, Any]) -> set[str]:
    """The columns with what siblings achieved; in the twin's row they have what the twin has there."""
    return {item.achieved_title for entry in tables.entries_of(record) for item in guidance_of(entry)}


def run_notes(record: Mapping[str, Any]) -> list[str]:
    """The warnings about a run's targets, and the notes on its siblings, gaps left in a tissue among them."""
    said = [text for run in record["runs"] for text in run.get("warnings", [])]
    entries = [entry for run in record["runs"] for entry in run["siblings"]]
    return said + [f"{entry['file']}: {text}" if len(entries) > 1 else text
                   for entry in entries
                   for text in (*entry.get("guidance_notes", []), *cavity_words(entry.get("repair")))]


def _rows(node: Any, settings: domains.DomainSettings, found: Sequence[LiveValue], outcome: dict[Any, Any],
          names: list[str]) -> list[Row]:
    """The rows of one node; takes what it uses out of `outcome`, and adds its domains' names to `names`."""
    rows = []
    parts = found or (LiveValue(None, None, ""),)
    for part, measured in enumerate(parts):
        name = free_name(measured.domain.name if measured.domain is not None else node.GetName(), names)
        names.append(name)
        unit = measured.domain.unit if measured.domain is not None else UNIT_OF.get(markups.kind_of(node), "ml")
        shared = {"node": node, "part": part, "domain": name, "tissues": " + ".join(settings.tissues)}
        for index, (term, id) in enumerate(zip(settings.terms, domains.term_ids(node, settings, part), strict=True)):
            entry = outcome.pop(id, None) or outcome.pop((name, term.quantity), None)
            rows.append(_row(shared, index, term, measured, unit, entry))
        if not settings.terms:
            mass = measured.measurement.mass if measured.measurement is not None else None
            twin = targets.value_text("mass", mass, unit) if mass is not None else _absent(measured)
            rows.append(Row(**shared, term=None, on=False, quantity=NO_QUANTITY, twin=twin,
                            tips=(("domain", FIXED), ("twin", measured.problem),
                                  ("quantity", _("Set a target with Add target")))))
    return rows


UNIT_OF = {"box": "ml", "plane": "mm^2", "curve": "mm^2", "line": "mm", "point": "mm"}


def _row(shared: Mapping[str, Any], index: int, term: Term, measured: LiveValue, unit: str,
         entry: Mapping[str, Any] | None) -> Row:
    value = targets.measured_of(measured.measurement, term.quantity)
    twin = targets.value_text(term.quantity, value, unit) if value is not None else _absent(measured)
    tips = [("domain", FIXED), ("quantity", _sentence(targets.MEANINGS[term.quantity])),
            ("target", _target_tip(term, measured.measurement, unit)), ("twin", measured.problem or _full(value))]
    return Row(**shared, term=index, on=term.on, quantity=targets.quantity_words(term.quantity, unit), twin=twin,
               target=targets.target_text(term.target, term.quantity), tolerance=targets.tolerance_text(term),
               tips=tuple(tips), **_outcome(term.quantity, unit, entry))


def _held(entry: Mapping[str, Any]) -> Row:
    unit, quantity, before = str(entry.get("unit") or ""), entry["quantity"], entry.get("before")
    return Row(None, 0, None, True, str(entry["domain"]), "", targets.quantity_words(quantity, unit),
               targets.value_text(quantity, before, unit) if before is not None else "",
               targets.KEEP if entry["asked"] == before else targets.value_text(quantity, entry["asked"], unit),
               tips=(("quantity", HELD), ("target", targets.value_text(quantity, entry["asked"], unit))),
               **_outcome(quantity, unit, entry))


def _outcome(quantity: str, unit: str, entry: Mapping[str, Any] | None) -> dict[str, Any]:
    if entry is None:
        return {}
    return {"achieved": targets.value_text(quantity, entry.get("achieved"), unit), "reached": bool(entry["reached"])}


def _absent(measured: LiveValue) -> str:
    return _("none") if measured.measurement is not None else "?" if measured.problem else "..."


def _full(value: Any) -> str:
    """All numbers of a value that the cell shows in part."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return "\n".join("  ".join(f"{number:+.3f}" for number in row) for row in value)
    return ""


def _target_tip(term: Term, measurement: Measurement | None, unit: str) -> str:
    """What a relative target comes to."""
    asked = targets.asked_of(term, measurement)
    return "" if asked is None or not term.target.relative else (
        _("Target: {value}").format(value=targets.value_text(term.quantity, asked, unit)))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


# What the user does with a row


def switch(row: Row, on: bool) -> None:
    """Turns a target on or off."""
    _change(row, lambda term: replace(term, on=on))


def retarget(row: Row, text: str, measured: Sequence[LiveValue]) -> None:
    """Takes what was typed as a target. Raises InputError."""
    def changed(term: Term) -> Term:
        found = measured[row.part].measurement if row.part < len(measured) else None
        now = targets.measured_of(found, term.quantity)
        return replace(term, target=targets.parse_target(text, term.quantity, now))

    _change(row, changed)


def retolerate(row: Row, text: str) -> None:
    """Takes what was typed as a tolerance; nothing means the default. Raises InputError."""
    _change(row, lambda term: replace(term, tolerance=targets.parse_tolerance(text, term.quantity)))


def ask(node: Any, quantity: Quantity, measured: Sequence[LiveValue]) -> None:
    """Asks for one more quantity in a domain: the twin's own value, to start from. Raises InputError."""
    settings = domains.read_settings(node)
    if any(term.quantity == quantity for term in settings.terms):
        raise InputError(_("{name} already has this target").format(name=node.GetName()),
                         value=targets.WORDS.get(quantity, quantity), rule=_("one target for each measure of a domain"),
                         hint=_("change the target in the table"))
    found = measured[0].measurement if measured else None
    now = targets.measured_of(found, quantity)
    if quantity == "betti" and now is None:
        now = (1, None, None)
    term = Term(node.GetName(), quantity, targets.keep_target(quantity, now))
    domains.write_settings(node, replace(settings, terms=(*settings.terms, term)))


def remove(row: Row) -> None:
    """Removes a target; with the last one of a domain, the domain."""
    if row.node is None:
        return
    try:
        settings = domains.read_settings(row.node)
    except SiblingsError:
        settings = domains.DomainSettings(())
    if len(settings.terms) <= 1 or row.term is None:
        markups.remove_markup(row.node)
        return
    kept = tuple(term for index, term in enumerate(settings.terms) if index != row.term)
    domains.write_settings(row.node, replace(settings, terms=kept))


def _change(row: Row, change: Any) -> None:
    if row.node is None or row.term is None:
        return
    settings = domains.read_settings(row.node)
    terms = [change(term) if index == row.term else term for index, term in enumerate(settings.terms)]
    domains.write_settings(row.node, replace(settings, terms=tuple(terms)))
