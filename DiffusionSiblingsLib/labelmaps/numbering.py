"""Which numbering the unnamed values of a label map follow, judged by what they touch, how they lie and how large
they are.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.numberings import Numbering, TissueLayout
from .value_shapes import ValueShapes, likeness

OWN = "this project"
CLEAR = 0.5  # by which a known numbering must be likelier than every other order of its values (hearts: 3 to 18)
CLEARER = 2.0  # the same where tissues are missing, or where no program is known that writes the order
DOUBT = 8.0  # by which another order must be likelier than what somebody says
FLOOR = 50 / 57  # of half squared deviations for each of the 57 numbers that six tissues have; infants with
#                  malformations reach 44, values in disorder 60
MANY = 12  # values
RARE = 6.0  # by which a map without a chamber must be likelier than one without an aorta
LEAST = 4  # tissues; fewer do not tell one order from another
ALLOWED = 1.5  # by which a value that a known numbering does not have may fit better (pulmonary artery for aorta)
NEIGHBOURS = 2  # values of no tissue that are tried in place of one
WIDTH, WIDTH_OF_MANY = 6000, 1500  # choices that the search keeps, the second among more than MANY values
SEARCHED = 24  # values that the search looks at, the largest ones: its time grows with their number
AN_IMAGE = 254  # values, as many as are looked at: a file with more is an image, and no value of it a tissue

Picks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """A choice of values for tissues. labels: tissue id -> values. score: 0 for the mean heart, less is worse. margin:
    by how much it is likelier than any other. plausible: whether it looks like the anatomy at all. whole: whether it
    has all tissues.
    """

    name: str
    labels: Mapping[str, tuple[int, ...]]
    score: float
    margin: float
    plausible: bool
    whole: bool = True

    @property
    def clear(self) -> bool:
        """Whether the map may be read in this way without asking."""
        return self.plausible and self.margin >= (CLEAR if self.whole else CLEARER)

    @property
    def tissue_of(self) -> dict[int, str]:
        """Value -> tissue id."""
        return {value: tissue for tissue, values in self.labels.items() for value in values}


def own_numbering(anatomy: Anatomy) -> Numbering:
    """The anatomy's own label values."""
    return Numbering(OWN, {tissue.id: (tissue.label,) for tissue in anatomy.tissues})


def known_fits(shapes: ValueShapes, anatomy: Anatomy) -> list[Fit]:
    """How well each known numbering fits of which the map has enough values: those that are clear first, then those
    with most tissues, then the likeliest. Of numberings with the same number of tissues, one at most is clear.
    """
    if anatomy.layout is None:
        return []
    numberings = (own_numbering(anatomy), *anatomy.numberings)
    found = [candidate for numbering in numberings if (candidate := _candidate(shapes, numbering, anatomy))]
    best = {len(one.labels): max((c for c in found if len(c.labels) == len(one.labels)), key=lambda c: c.score)
            for one in found}
    fits = [one.fit(anatomy, one is best[len(one.labels)]) for one in found]
    return sorted(fits, key=lambda fit: (not fit.clear, -len(fit.labels), -fit.score))


@dataclass(frozen=True)
class _Candidate:
    """A known numbering on a map. joined: its values, and those that might stand in their place. picks: (1, k)."""

    name: str
    labels: Mapping[str, tuple[int, ...]]
    tissues: Sequence[int]
    joined: ValueShapes
    picks: Picks
    score: float

    def fit(self, anatomy: Anatomy, compare: bool) -> Fit:
        """compare: whether it is worth to be compared with all other orders; else it is taken to be unlikely."""
        plausible = self.score >= -FLOOR * _terms(len(self.tissues))
        margin, count = -np.inf, len(self.tissues)
        if compare and plausible and anatomy.layout is not None:
            ranked, scores = _ranked(self.joined, anatomy.layout, self.tissues, {})
            others = (ranked != self.picks).any(axis=1)
            strange = others & (ranked >= count).any(axis=1)  # with a value that the numbering does not have
            rivals = [*scores[others & ~strange][:1], *(scores[strange][:1] - ALLOWED)]
            if count < len(anatomy.ids):
                rivals += self._other_tissues(anatomy)
            margin = self.score - max(rivals, default=-np.inf)
        return Fit(self.name, self.labels, self.score, float(margin), plausible, count == len(anatomy.ids))


    def _other_tissues(self, anatomy: Anatomy) -> list[float]:
        """Scores where the map lacks other tissues than the numbering says, or none.

        A tissue of which a scan may show nothing (an aorta) is missing more often than a chamber or a wall.
        """
        if (layout := anatomy.layout) is None:
            return []
        total, firm = len(layout.volume), {anatomy.ids.index(tissue) for tissue in anatomy.one_component}
        rare = RARE if firm <= set(self.tissues) else 0.0
        sets = [kept for kept in combinations(range(total), len(self.tissues)) if list(kept) != list(self.tissues)]
        best = [_ranked(self.joined, layout, kept, {})[1][:1] - (0.0 if firm <= set(kept) else rare) for kept in sets]
        if len(self.joined.values) >= total:  # a map with all tissues is likelier, even where fewer fit better
            whole = _ranked(self.joined, layout, range(total), {})[1][0]
            best += [np.array([np.inf])] if whole >= -FLOOR * _terms(total) else []
        return [float(score[0]) for score in best if len(score)]


def _candidate(shapes: ValueShapes, numbering: Numbering, anatomy: Anatomy) -> _Candidate | None:
    """A numbering on a map; None where the map has too few of its tissues."""
    present = {tissue: tuple(v for v in values if shapes.index(v) >= 0) for tissue, values in numbering.labels.items()}
    present = {tissue: present[tissue] for tissue in anatomy.ids if present.get(tissue)}
    if anatomy.layout is None or len(present) < LEAST:
        return None
    joined, place_of = _grouped(shapes, present, NEIGHBOURS, numbering.other)
    tissues = [anatomy.ids.index(tissue) for tissue in present]
    own = np.array([[place_of[tissue] for tissue in present]], dtype=np.int64)
    score = float(likeness(joined, anatomy.layout, tissues, own)[0])
    return _Candidate(numbering.name, present, tissues, joined, own, score)


def best_fit(shapes: ValueShapes, anatomy: Anatomy, fixed: Mapping[str, Sequence[int]] | None = None) -> Fit | None:
    """The likeliest values of all tissues, whatever programs write; None where there are too few values.

    fixed: tissue id -> values that are known already.
    """
    layout, known = anatomy.layout, dict(fixed or {})
    if layout is None or not len(anatomy.ids) <= len(shapes.values) < AN_IMAGE:
        return None
    many = len(shapes.values) > MANY
    shapes, place_of = _grouped(shapes, known, largest=SEARCHED)
    ranked, scores = _ranked(shapes, layout, list(range(len(anatomy.ids))),
                             {anatomy.ids.index(tissue): place_of[tissue] for tissue in known})
    if not len(scores):
        return None
    labels = {tissue: tuple(known.get(tissue, (int(shapes.values[place]),)))
              for tissue, place in zip(anatomy.ids, ranked[0], strict=True)}
    margin = float(scores[0] - scores[1]) if len(scores) > 1 else np.inf
    plausible = scores[0] >= -FLOOR * _terms(len(anatomy.ids))
    if many:  # among many values something always looks like a heart, but nothing stands out
        plausible = plausible and margin >= CLEARER
    return Fit("", labels, float(scores[0]), margin, plausible)


def is_doubtful(shapes: ValueShapes, anatomy: Anatomy, labels: Mapping[str, Sequence[int]]) -> Fit | None:
    """The likeliest order of the same values, where they are said to be other tissues and that fits much less well."""
    best = best_fit(shapes, anatomy)
    if best is None or not best.plausible or set(labels) != set(anatomy.ids):
        return None
    other = {value for values in labels.values() for value in values} != set(best.tissue_of)
    return None if other or best.score <= _score_of(shapes, anatomy, labels) + DOUBT else best


def _score_of(shapes: ValueShapes, anatomy: Anatomy, labels: Mapping[str, Sequence[int]]) -> float:
    """The score of values that somebody says for all tissues, on the scale of `best_fit`."""
    if anatomy.layout is None:
        return 0.0
    shapes, place_of = _grouped(shapes, labels)
    picks = np.array([[place_of[tissue] for tissue in anatomy.ids]], dtype=np.int64)
    return float(likeness(shapes, anatomy.layout, range(len(anatomy.ids)), picks)[0])


def _grouped(
    shapes: ValueShapes, known: Mapping[str, Sequence[int]], neighbours: int | None = None,
    without: Container[int] = (), largest: int | None = None,
) -> tuple[ValueShapes, dict[str, int]]:
    """The values of each known tissue as one, then other values; and the place of each known tissue.

    neighbours: how many of the others, those that touch the known ones most; None for all. without: values to leave
    out. largest: how many of the others at most, those of the largest volume.
    """
    groups = [[shapes.index(value) for value in values if shapes.index(value) >= 0] for values in known.values()]
    taken = {place for group in groups for place in group}
    rest = [place for place, value in enumerate(shapes.values) if place not in taken and int(value) not in without]
    if neighbours is not None:
        touch = shapes.contacts[:, sorted(taken)].sum(axis=1)
        rest = sorted(rest, key=lambda place: -touch[place])[:neighbours]
    if largest is not None and len(rest) > largest:
        rest = sorted(sorted(rest, key=lambda place: -shapes.volumes[place])[:largest])
    return shapes.joined([*groups, *([place] for place in rest)]), {tissue: n for n, tissue in enumerate(known)}


def _ranked(shapes: ValueShapes, layout: TissueLayout, tissues: Sequence[int],
            fixed: Mapping[int, int]) -> tuple[Picks, npt.NDArray[np.float64]]:
    """(m, k) places of values for the k tissues and their (m,) scores, best first: a search tissue by tissue.

    fixed: tissue -> place.
    """
    touching = _contact_sums(layout)
    order = sorted(tissues, key=lambda tissue: (tissue not in fixed, -touching[tissue]))
    states, scores = np.zeros((1, 0), dtype=np.int64), np.zeros(1)
    count = len(shapes.values)
    for step, tissue in enumerate(order, 1):
        new = [fixed[tissue]] if tissue in fixed else [p for p in range(count) if p not in set(fixed.values())]
        grown = np.concatenate([np.repeat(states, len(new), axis=0), np.tile(new, len(states))[:, None]], axis=1)
        grown = grown[(grown[:, :-1] != grown[:, -1:]).all(axis=1)]
        scores = likeness(shapes, layout, order[:step], grown)
        best = np.argsort(-scores, kind="stable")[: WIDTH if count <= MANY else WIDTH_OF_MANY]
        states, scores = grown[best], scores[best]
    back = [order.index(tissue) for tissue in tissues]
    return states[:, back], scores


def _contact_sums(layout: TissueLayout) -> list[float]:
    """How much each tissue touches others, so that the search begins where contacts tell most."""
    total = len(layout.volume)
    table = np.zeros((total, total))
    table[np.triu_indices(total, 1)] = [np.exp(mean) for mean, _ in layout.contact]
    return [float(value) for value in (table + table.T).sum(axis=1)]


def _terms(tissues: int) -> int:
    """How many numbers `likeness` compares: volumes, extents, pairs twice, fours."""
    pairs = tissues * (tissues - 1) // 2
    return 2 * tissues + 2 * pairs + pairs * (tissues - 2) * (tissues - 3) // 12
