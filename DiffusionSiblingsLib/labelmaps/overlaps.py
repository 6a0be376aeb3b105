"""What becomes of voxels that two segments both cover: one rule, and its words, for files and for Slicer's scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.anatomy import Anatomy
from ..core.labelmap import Segment

SMALL = 0.05  # of the smaller of two segments: as much of it may belong to another one as well
BESIDE_TAG = "DiffusionSiblings.Beside"  # of a segment in a layer of its own, which is no part of the map
RULE = f"two tissues share at most {SMALL:.0%} of the smaller one, which then belong to the later one"


def by_rank(segments: Sequence[Segment], anatomy: Anatomy) -> list[int]:
    """The order in which segments are laid over one another: tissues in the anatomy's order, then all others."""
    rank: Mapping[str | None, int] = {tissue: n for n, tissue in enumerate(anatomy.ids)}
    return sorted(range(len(segments)), key=lambda n: (rank.get(segments[n].tissue, len(rank)), n))


def contradict(count: int, size: int, other: int) -> bool:
    """Whether two tissues of so many voxels share too many. All are numbers of voxels."""
    return count > SMALL * min(size, other)


def lies_beside(count: int, size: int, segment: Segment) -> bool:
    """Whether a segment of no tissue stays out of the map: it shares much with what is in it, or is marked so."""
    return count > SMALL * size or BESIDE_TAG in segment.tags


def shared_words(one: str, two: str, count: int, ml: float) -> str:
    """What was settled: voxels that both cover belong to the second one."""
    return f"{one} and {two} share {count} voxel{'' if count == 1 else 's'} ({ml:.2g} ml), which are taken for {two}"
