"""Names of segments and files as words, and what names of one map mean together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# Words that names carry or leave out without meaning another tissue ("Left ventricle of heart").
_FILLERS = frozenset({"of", "the", "heart", "cardiac", "structure", "mask", "seg", "segment", "segmentation", "label"})
_ENDING = re.compile(r"\.(seg\.nrrd|nii\.gz|nii|nrrd|mha)$", flags=re.IGNORECASE)
LONGEST = 200  # letters of a name that are looked at
COMPANY = 3  # tissues of a map that must be named before "Ventricle_L" is one of the heart's and not of the brain's

Lookup = Callable[[str], str | None]


@dataclass(frozen=True)
class NameRules:
    """What short forms mean, and beside which words. sides: "l" -> "left". beside: words beside which a side may stand.
    dropped: word -> words beside which it says nothing ("a" for artery beside "aorta").
    """

    sides: Mapping[str, str] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    dropped: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def from_data(cls, entry: Mapping[str, object]) -> NameRules:
        """The rules of an entry of a data file; KeyError, TypeError or ValueError where there are none."""
        sides, beside, dropped = entry["sides"], entry["beside"], entry["dropped"]
        if not isinstance(sides, dict) or not isinstance(beside, list) or not isinstance(dropped, dict):
            raise TypeError("name_rules has sides and dropped as objects, and beside as a list")
        return cls(sides, frozenset(beside), {word: frozenset(near) for word, near in dropped.items()})

    def without_dropped(self, words: Sequence[str]) -> list[str]:
        """The words without those that say nothing here."""
        return [word for word in words if not self.dropped.get(word, frozenset()) & set(words)]

    def with_sides(self, words: Sequence[str]) -> list[str]:
        """The words with "l" and "rt" written out, beside a word that has a side."""
        return [self.sides.get(word, word) for word in words] if self.beside & set(words) else list(words)


def words_in(name: str) -> list[str]:
    """The words of a name, lower case, in their order, without a file ending: "LeftAtrium.nii.gz" -> left, atrium."""
    stem = _ENDING.sub("", name.strip()[:LONGEST])
    return re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", stem).lower())


def name_key(name: str) -> tuple[str, ...]:
    """The words of a name that matter, lower case, sorted: "heart_ventricle_left.nii.gz" -> ("left", "ventricle")."""
    return tuple(sorted(set(words_in(name)) - _FILLERS))


def parts_of(name: str) -> list[str]:
    """The parts of a name that each say something: "Left ventricle (LV)" -> Left ventricle, LV; one part: nothing."""
    stem = _ENDING.sub("", name.strip()[:LONGEST])
    found = [part for part in re.split(r"[()\[\]{}/|:;,]| - |_-_", stem) if name_key(part)]
    return found if len(found) > 1 else []


def without_numbers(name: str) -> str:
    """ "Left ventricle_1" and "03 Left ventricle" -> "Left ventricle"; "" where there is no number at an end."""
    words = words_in(name)
    kept = list(words)
    while kept and kept[-1].isdigit():
        kept.pop()
    while kept and kept[0].isdigit():
        kept.pop(0)
    return " ".join(kept) if kept and len(kept) < len(words) else ""


def meant_together(names: Sequence[str], alone: Lookup, rules: NameRules, most: int) -> list[str | None]:
    """What the names of one map mean, tissue id or None each.

    alone: what a name means by itself. most: how many tissues there are; once all are found, nothing is read into other
    names. A prefix or suffix that names share is no part of a tissue's name; a number at
    an end says nothing as long as no other name claims the same tissue; "L" is left where other names show that this is
    the organ.
    """
    strong = [alone(name) for name in names]
    if _tissues(strong) == most:
        return strong
    readings = [names, *_trimmed(names)]
    found = max(([_sided(name, alone, rules) for name in reading] for reading in readings), key=_tissues)
    found = [one or two for one, two in zip(strong, found, strict=True)]
    if len({tissue for tissue in found if tissue}) < COMPANY:
        found = strong
    return _numbered(names, found, alone)


def _tissues(found: Sequence[str | None]) -> int:
    return len({tissue for tissue in found if tissue is not None})


def _sided(name: str, alone: Lookup, rules: NameRules) -> str | None:
    """What a name means, sides written out if it means nothing as it is."""
    return alone(name) or alone(" ".join(rules.with_sides(words_in(name))))


def _numbered(names: Sequence[str], found: list[str | None], alone: Lookup) -> list[str | None]:
    """The same, with names whose number is left out; two of one tissue are both left unknown."""
    claims = [None if tissue is not None else alone(short) if (short := without_numbers(name)) else None
              for name, tissue in zip(names, found, strict=True)]
    count = Counter([tissue for tissue in (*found, *claims) if tissue is not None])
    return [tissue or (claim if claim is not None and count[claim] == 1 else None)
            for tissue, claim in zip(found, claims, strict=True)]


def _trimmed(names: Sequence[str]) -> list[list[str]]:
    """The names without a prefix, a suffix or both, as many of them share one."""
    words = [words_in(name) for name in names]
    heads = _shared([tuple(part) for part in words])
    ends = _shared([tuple(reversed(part)) for part in words])
    found = []
    for head in ((), *heads):
        for end in ((), *ends):
            cut = [_cut(part, head, tuple(reversed(end))) for part in words]
            found += [[" ".join(part) for part in cut]] if head or end else []
    return found


def _shared(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Beginnings that at least COMPANY rows share and that leave something, the most frequent first; 3 at most."""
    starts = Counter(row[:length] for row in set(rows) for length in range(1, min(len(row), 8)))
    often = [start for start, count in starts.items() if count >= COMPANY]
    return sorted(often, key=lambda start: (-starts[start], -len(start)))[:3]


def _cut(words: Sequence[str], head: tuple[str, ...], end: tuple[str, ...]) -> list[str]:
    """The words without a beginning and an end, where they have them."""
    kept = list(words)
    if head and tuple(kept[: len(head)]) == head:
        kept = kept[len(head) :]
    if end and tuple(kept[-len(end) :]) == end:
        kept = kept[: -len(end)]
    return kept
