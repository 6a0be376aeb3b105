"""What is said of label values: which a file has, which it lacks, and the --labels line that would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.anatomy import Anatomy, Tissue
from ..core.errors import InputError
from ..core.labelmap import LabelMap, Segment
from .label_options import as_option
from .numbering import OWN, Fit
from .value_shapes import ValueShapes

SHOWN = 24  # values in one message
LEFT = 6  # values in one note
TOUCHING_MM2 = 1.0


def listed(labelmap: LabelMap, counts: Mapping[int, int], most: int = SHOWN) -> str:
    """ "Segment_3 = 31 (45.2 ml), VG = 23 (...)": those without a tissue first, each with its volume."""
    present = [s for s in labelmap.segments if counts.get(s.value)]
    ordered = sorted(present, key=lambda s: s.tissue is not None)
    shown = ordered if len(ordered) <= most else sorted(
        ordered, key=lambda s: (s.tissue is not None, -counts[s.value]))[:most]
    words = ", ".join(one_value(segment, labelmap, counts) for segment in shown)
    empty = [segment.name or str(segment.value) for segment in labelmap.segments if not counts.get(segment.value)]
    more = f", ... ({len(present)} in all)" if len(shown) < len(present) else ""
    none = f"; empty: {', '.join(empty[:SHOWN])}{', ...' if len(empty) > SHOWN else ''}" if empty else ""
    return (words or "no labels at all, every voxel is 0") + more + none


def one_value(segment: Segment, labelmap: LabelMap, counts: Mapping[int, int], name: str = "") -> str:
    """ "Segment_3 = 31 (45.2 ml)", or "31 (45.2 ml)" for a value without a name."""
    name = segment.name or name
    if labelmap.format == "folder":
        return f"{name} ({counts.get(segment.value, 0) * labelmap.voxel_volume_ml:.1f} ml)"  # files have no values
    ml = f"({counts.get(segment.value, 0) * labelmap.voxel_volume_ml:.1f} ml)"
    return f"{name} = {segment.value} {ml}" if name else f"{segment.value} {ml}"


def assumed(name: str, labels: Mapping[str, Sequence[int]]) -> str:
    """The note on a numbering that the file does not state."""
    whose = "this project's own numbering" if name == OWN else f"the numbering of {name}"
    return (f"The file names no tissues. Its values are read in {whose}, which fits their contacts, places and "
            f"volumes: {_pairs(labels)}. If that is wrong, say so with --labels")


def _pairs(labels: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"{tissue}={'+'.join(map(str, values))}" for tissue, values in labels.items())


def left_over(labelmap: LabelMap, counts: Mapping[int, int], shapes: ValueShapes,
              other: Mapping[int, str] | None = None) -> tuple[str, ...]:
    """The note on values that touch a tissue and are none. other: value -> what a known numbering calls it."""
    tissues = [shapes.index(s.value) for s in labelmap.segments if s.tissue is not None and counts.get(s.value)]
    tissues = [place for place in tissues if place >= 0]
    rest = [s for s in labelmap.segments if s.tissue is None and (place := shapes.index(s.value)) >= 0
            and shapes.contacts[place, tissues].sum() >= TOUCHING_MM2]
    rest = sorted(rest, key=lambda s: -counts[s.value])
    if not rest:
        return ()
    words = ", ".join(one_value(s, labelmap, counts, (other or {}).get(s.value, "")) for s in rest[:LEFT])
    more = f" and {len(rest) - LEFT} more" if len(rest) > LEFT else ""
    verbs = ("touches", "is", "it belongs") if len(rest) == 1 else ("touch", "are", "they belong")
    return (f"{words}{more} {verbs[0]} the tissues and {verbs[1]} no tissue; siblings keep these voxels as they "
            f"are. If {verbs[2]} to a tissue, add the value to it with a + in --labels, as in LA=420+421",)


def worse_than(option: str, labels: Mapping[str, Sequence[int]]) -> str:
    """The note on --labels that fit the map much less than others."""
    return f"The values that --labels gives ({_pairs(labels)}) fit the map much less well than {option}; check them"


def ask_for_labels(labelmap: LabelMap, counts: Mapping[int, int], anatomy: Anatomy, best: Fit | None,
                   path: Path) -> InputError:
    """The InputError for values without names, with the line that fits best."""
    own = ", ".join(f"{tissue.id}={tissue.label}" for tissue in anatomy.tissues)
    fits = [(n.name, {t: [v for v in values if v in counts] for t, values in n.labels.items()})
            for n in anatomy.numberings]
    fits = [(name, values) for name, values in fits if all(values.values()) and set(values) == set(anatomy.ids)]
    if best is not None and best.plausible:
        same = (name for name, values in fits if {t: tuple(v) for t, v in values.items()} == dict(best.labels))
        name = next(same, "")
        hint = f"name the tissues; by contacts, places and volumes this fits best: {as_option(best.labels)}"
        hint += f" (as in {name})" if name else ""
    elif fits:
        hint = "the values look like no heart in any order; name the tissues with --labels, such as "
        hint += "; ".join(f"{name}: {as_option(values)}" for name, values in fits)
    elif counts:
        hint = "name the tissues with --labels TISSUE=VALUE,..., with the values in this file"
    else:
        hint = "choose the file with the segmentation"
    return InputError(
        f"{path} does not say which label is which tissue",
        value="values " + listed(labelmap, counts) if counts else listed(labelmap, counts),
        rule=f"the file names its labels, or they fit a known numbering clearly, such as {own}",
        hint=hint,
    )


def lacks(labelmap: LabelMap, counts: Mapping[int, int], missing: Sequence[str], anatomy: Anatomy,
          suggested: Mapping[str, Sequence[int]], path: Path) -> InputError:
    """The InputError for a map without some of the tissues."""
    whole = [s for s in labelmap.segments if anatomy.is_whole(s.name, s.tags)]
    rest = [s for s in labelmap.segments if s.tissue is None and counts.get(s.value)]
    if whole and set(anatomy.chambers) & set(missing):
        hint = f"{whole[0].name or whole[0].value} is the {anatomy.id} in one piece here; {anatomy.whole_hint}"
    elif suggested:
        hint = f"if the tissues have other names, say so; this fits best: {as_option(_usable(suggested, labelmap))}"
    elif rest:
        pairs = _usable({tissue: (s.value,) for tissue, s in zip(missing, rest, strict=False)}, labelmap)
        some = " (more tissues are missing than there are values without a tissue)" if len(rest) < len(missing) else ""
        hint = ("if a tissue has another name, say so with values or names of this file, in this form: "
                f"{as_option(pairs)}{some}")
    else:
        hint = "add the missing tissues to the segmentation"
    return InputError(
        f"{path} lacks {', '.join(f'{id} ({anatomy.tissue(id).name})' for id in missing)}",
        value=f"it has {listed(labelmap, counts)}",
        rule=f"the {anatomy.id} needs {', '.join(anatomy.ids)}",
        hint=hint,
    )


def _usable(labels: Mapping[str, Sequence[int]], labelmap: LabelMap) -> dict[str, str]:
    """What --labels takes for these values: names for a folder of masks, which has no values, else the values."""
    names = {s.value: s.name for s in labelmap.segments} if labelmap.format == "folder" else {}
    return {tissue: "+".join(names.get(value, str(value)) for value in values) for tissue, values in labels.items()}


def too_little(tissue: Tissue, size: int, fewest: int, path: Path) -> InputError:
    """The InputError for a tissue with hardly any voxels."""
    return InputError(
        f"{path} has too little of {tissue.id} ({tissue.name})" if size else f"{tissue.id} is empty in {path}",
        value=f"{size} voxel{'' if size == 1 else 's'}",
        rule=f"every tissue has at least {fewest} voxels",
        hint="complete the segmentation, or give the right label with --labels",
    )
