"""Anatomies: which tissues there are, how files call them, and what a sound one looks like. Read from data files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import InputError, reason_of
from .json_files import MALFORMED, read_json
from .numberings import Numbering, TissueLayout
from .patch_rules import MeshRules, check_mesh_rules
from .tissue_names import NameRules, meant_together, name_key, parts_of, words_in

SCHEMA = 1
TERMINOLOGY_TAG = "TerminologyEntry"


@dataclass(frozen=True)
class Tissue:
    """One tissue of an anatomy.

    label: value in this project's label maps. codes: terminology entries, the first one is written:
    "SCT^87878005^Left ventricle", with a modifier after "~". aliases: names in files (order and case of the words do
    not matter). color: RGB in 0..1, Slicer's colour for the tissue. mask_names: file stems in a folder of masks, the
    first one is written. picture_color: RGB in 0..1, well apart from the other tissues', for pictures.
    """

    id: str
    label: int
    name: str
    codes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    color: tuple[float, float, float] = (0.5, 0.5, 0.5)
    mask_names: tuple[str, ...] = ()
    picture_color: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @property
    def terminology(self) -> str:
        """Slicer's TerminologyEntry tag for the first code, "" if the tissue has no code."""
        if not self.codes:
            return ""
        kind, _, modifier = self.codes[0].partition("~")
        lists = ("Segmentation category and type - DICOM master list", "Anatomic codes - DICOM master list")
        category = "SCT^123037004^Anatomical Structure"
        return f"{lists[0]}~{category}~{kind}~{modifier or '^^'}~{lists[1]}~^^~^^"

    @property
    def tags(self) -> dict[str, str]:
        """Slicer's segment tags for the tissue; empty if it has no code."""
        return {TERMINOLOGY_TAG: self.terminology} if self.codes else {}


@dataclass(frozen=True)
class ForbiddenContact:
    """Two tissues that must not touch, and the tissue that lies between them (None: background)."""

    pair: tuple[str, str]
    separator: str | None = None


@dataclass(frozen=True)
class Anatomy:
    """The tissues of an anatomy, its field of view, and the rules that a sound label map keeps.

    shape: (D, H, W) of the canonical grid, KJI order; spacing_mm: its isotropic spacing. axis_from, axis_to: tissues
    whose centroids give the canonical +z direction. follows: tissue -> tissues that are freed when it is edited.
    numberings: of well-known programs and data sets. layout: how the tissues lie to one another, by which a map without
    names is judged; None where nothing is known. whole_names, whole_codes: of a segment that is the whole organ in
    one piece; whole_hint: what to do then. name_rules: short forms in names.
    plausible_ml: tissue -> lowest and highest volume in ml of a map that a training set takes in.
    measures: definitions of measures by name (`metrics.measures`), in the order in which they build on each other.
    mesh: names of patches, and what can be grown, for meshes.
    """

    id: str
    title: str
    tissues: tuple[Tissue, ...]
    shape: tuple[int, int, int]
    spacing_mm: float
    axis_from: str
    axis_to: str
    chambers: tuple[str, ...] = ()
    one_component: tuple[str, ...] = ()
    required_contacts: tuple[tuple[str, str], ...] = ()
    forbidden_contacts: tuple[ForbiddenContact, ...] = ()
    follows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numberings: tuple[Numbering, ...] = ()
    plausible_ml: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    layout: TissueLayout | None = None
    whole_names: tuple[str, ...] = ()
    whole_codes: tuple[str, ...] = ()
    whole_hint: str = ""
    name_rules: NameRules = field(default_factory=NameRules)
    measures: tuple[Mapping[str, Any], ...] = ()
    mesh: MeshRules = field(default_factory=MeshRules)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def ids(self) -> tuple[str, ...]:
        """Tissue ids in the order of the data file."""
        return tuple(tissue.id for tissue in self.tissues)

    def tissue(self, tissue_id: str) -> Tissue:
        """The tissue of that id; InputError if there is none."""
        for tissue in self.tissues:
            if tissue.id == tissue_id:
                return tissue
        raise InputError(
            f"The {self.id} anatomy has no such tissue", value=tissue_id, rule=f"its tissues are {', '.join(self.ids)}"
        )

    def label_of(self, tissue_id: str) -> int:
        """The tissue's value in this project's label maps."""
        return self.tissue(tissue_id).label

    def identify(self, segment_name: str, tags: Mapping[str, str] | None = None) -> str | None:
        """The tissue that a segment means: by the terminology code in its tags, else by its name, else None."""
        return self._by_code(tags or {}) or self._by_name(segment_name, self._known[1])

    def _by_code(self, tags: Mapping[str, str]) -> str | None:
        codes, _ = self._known
        return next((found for key, value in tags.items()
                     if key.endswith(TERMINOLOGY_TAG) and (found := codes.get(_code_key(value)))), None)

    def _by_name(self, name: str, names: Mapping[tuple[str, ...], str]) -> str | None:
        """The tissue of a name as a whole, or of all of its parts: "Left ventricle (LV)". names: key -> tissue."""
        short = " ".join(self.name_rules.without_dropped(words_in(name)))
        whole = names.get(name_key(name)) or names.get(name_key(short))
        parts = {names.get(name_key(part)) for part in parts_of(name)} if whole is None else set()
        return parts.pop() if len(parts) == 1 else whole

    @property
    def _known(self) -> tuple[dict[str, str], dict[tuple[str, ...], str]]:
        return _tables(tuple((t.id, t.codes, (t.id, t.name, *t.aliases, *t.mask_names)) for t in self.tissues))

    def is_whole(self, segment_name: str, tags: Mapping[str, str] | None = None) -> bool:
        """Whether a segment is the whole organ in one piece, by its code or its name."""
        codes = {_code_key(value) for key, value in (tags or {}).items() if key.endswith(TERMINOLOGY_TAG)}
        names = {frozenset(words_in(name)) for name in self.whole_names}
        coded = bool(codes & {_code_key(code) for code in self.whole_codes})
        return coded or frozenset(words_in(segment_name)) in names

    def identify_all(self, segments: Sequence[tuple[str, Mapping[str, str]]]) -> list[str | None]:
        """The tissue of every segment (name, tags) of one label map, by code, then by name.

        Names are read together: see `meant_together`. Where a name says another tissue than the code, the code wins,
        unless another segment has that tissue by name, or the name is of a tissue that belongs to the coded one
        ("Myocardium" under the code of the ventricle, as terminologies have no code for its wall).
        """
        known = self._known[1]
        named = meant_together([name for name, _ in segments], lambda name: self._by_name(name, known), self.name_rules,
                               len(self.tissues))
        coded = [self._by_code(tags) for _, tags in segments]
        agreed = {name for name, code in zip(named, coded, strict=True) if name is not None and code in (name, None)}
        return [self._settled(name, code, agreed) for name, code in zip(named, coded, strict=True)]

    def _settled(self, name: str | None, code: str | None, agreed: set[str]) -> str | None:
        """The tissue of a segment with this name and code. agreed: tissues of other segments that are beyond doubt."""
        if name == code or code is None or name is None:
            return None if name is None and code in agreed else name or code
        if name in self.follows.get(code, ()) or code in agreed:
            return None if name in agreed else name
        return code


def _code_key(entry: str) -> str:
    """Type and modifier of a terminology entry without their meanings: "SCT^21814001~SCT^7771000".

    entry: Slicer's tag "context~category~type~modifier~context~region~region modifier" or this project's
    "type~modifier".
    """
    fields = entry.split("~")
    kind, modifier = (fields[2], fields[3]) if len(fields) >= 4 else (fields[0], (*fields, "")[1])
    short = ["^".join(part.split("^")[:2]) for part in (kind, modifier)]
    return "~".join(part for part in short if part.strip("^"))


@lru_cache(maxsize=16)
def _tables(
    tissues: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...],
) -> tuple[dict[str, str], dict[tuple[str, ...], str]]:
    """Look-up tables from code key and from name key to tissue id."""
    codes = {_code_key(code): tissue for tissue, entries, _ in tissues for code in entries}
    names = {name_key(name): tissue for tissue, _, entries in tissues for name in entries}
    return codes, names


def _check(anatomy: Anatomy) -> None:
    """Refuse an anatomy whose parts do not fit together."""
    labels = [tissue.label for tissue in anatomy.tissues]
    named = [anatomy.axis_from, anatomy.axis_to, *anatomy.chambers, *anatomy.one_component]
    named += [tissue for pair in anatomy.required_contacts for tissue in pair]
    named += [tissue for contact in anatomy.forbidden_contacts for tissue in contact.pair]
    named += [contact.separator for contact in anatomy.forbidden_contacts if contact.separator is not None]
    named += [tissue for key, values in anatomy.follows.items() for tissue in (key, *values)]
    named += list(anatomy.plausible_ml)
    named += [tissue for numbering in anatomy.numberings for tissue in numbering.labels]
    unknown = sorted(set(named) - set(anatomy.ids))
    what = f"The anatomy file {anatomy.id} contradicts itself"
    if unknown:
        raise InputError(what, value=", ".join(unknown), rule="it names only tissues of its own list")
    if len(set(labels)) < len(labels) or len(set(anatomy.ids)) < len(labels) or not all(1 <= v <= 255 for v in labels):
        raise InputError(what, value=labels, rule="each id occurs once, and each label value once, from 1 to 255")
    if len(anatomy.shape) != 3 or min(anatomy.shape) < 1 or not anatomy.spacing_mm > 0:
        raise InputError(
            what, value=f"{anatomy.shape} at {anatomy.spacing_mm}", rule="three sizes and a spacing above 0"
        )
    check_mesh_rules(anatomy.mesh, anatomy.ids, labels, what)


def resource_folder() -> Path:
    """The folder Resources/: $SIBLINGS_RESOURCES, else the installed package's, else the checkout's."""
    package = Path(__file__).resolve().parents[1]
    chosen = os.environ.get("SIBLINGS_RESOURCES")
    candidates = [Path(chosen)] if chosen else [package / "Resources", package.parent / "Resources"]
    for folder in candidates:
        if (folder / "Anatomies").is_dir():
            return folder
    raise InputError(
        "The project's Resources folder is missing",
        value=", ".join(map(str, candidates)),
        rule="a folder with Anatomies/ and Models/",
        hint="install the project again, or set SIBLINGS_RESOURCES to the folder",
    )


def load_anatomy(id: str = "heart") -> Anatomy:
    """The anatomy of Resources/Anatomies/<id>.json; InputError if it is missing or not sound."""
    folder = resource_folder() / "Anatomies"
    path = folder / f"{id}.json"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", id) or not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.json")))
        raise InputError("The anatomy is unknown", value=id, rule=f"one of: {known}")
    try:
        data = read_json(path)
        path = folder.parent / "Numberings" / path.name  # a later error is about this file
        more = read_json(path) if path.is_file() else {}
        return _from_data({**data, **{key: more[key] for key in ("numberings", "layout") if key in more}})
    except (OSError, *MALFORMED) as error:
        raise InputError(f"The anatomy file {path} cannot be read", value=reason_of(error),
                         rule=f"JSON of schema {SCHEMA}",
                         hint="correct the file, or install the project again") from error


def _from_data(data: dict[str, Any]) -> Anatomy:
    """The Anatomy that a data file describes; KeyError, TypeError or ValueError where it does not."""
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']}, this version reads {SCHEMA}")
    view = data["field_of_view"]
    return Anatomy(
        id=data["id"],
        title=data.get("title", data["id"]),
        tissues=tuple(_tissue(entry) for entry in data["tissues"]),
        shape=(int(view["shape"][0]), int(view["shape"][1]), int(view["shape"][2])),
        spacing_mm=float(view["spacing_mm"]),
        axis_from=data["axis"]["from"],
        axis_to=data["axis"]["to"],
        chambers=tuple(data.get("chambers", ())),
        one_component=tuple(data.get("one_component", ())),
        required_contacts=tuple((first, second) for first, second in data.get("required_contacts", ())),
        forbidden_contacts=tuple(_contact(entry) for entry in data.get("forbidden_contacts", ())),
        follows={key: tuple(values) for key, values in data.get("follows", {}).items()},
        numberings=tuple(Numbering.from_data(entry) for entry in data.get("numberings", ())),
        plausible_ml={key: (float(low), float(high)) for key, (low, high) in data.get("plausible_ml", {}).items()},
        layout=TissueLayout.from_data(data["layout"]) if "layout" in data else None,
        whole_names=tuple(data.get("whole", {}).get("names", ())),
        whole_codes=tuple(data.get("whole", {}).get("codes", ())),
        whole_hint=data.get("whole", {}).get("hint", ""),
        name_rules=NameRules.from_data(data["name_rules"]) if "name_rules" in data else NameRules(),
        measures=tuple(data.get("measures", ())),
        mesh=MeshRules.from_data(data.get("mesh", {})),
    )


def _tissue(entry: dict[str, Any]) -> Tissue:
    """A Tissue from its entry; colours are 0..255 in the file."""
    color = _color(entry.get("color", (128, 128, 128)))
    return Tissue(
        id=entry["id"],
        label=int(entry["label"]),
        name=entry["name"],
        codes=tuple(entry.get("codes", ())),
        aliases=tuple(entry.get("aliases", ())),
        color=color,
        mask_names=tuple(entry.get("mask_names", ())) or (entry["id"],),
        picture_color=_color(entry["picture_color"]) if "picture_color" in entry else color,
    )


def _color(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) / 255.0 for value in values)
    return red, green, blue


def _contact(entry: dict[str, Any]) -> ForbiddenContact:
    first, second = entry["pair"]
    separator = entry.get("separator", "background")
    return ForbiddenContact((first, second), None if separator == "background" else separator)
