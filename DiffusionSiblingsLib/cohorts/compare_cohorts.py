"""Two measured cohorts compared: every figure of the papers, with its interval and its floor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..metrics import bootstrap, feature_space, pointcloud
from ..metrics.bootstrap import Halves, IntArray
from ..metrics.summary import summary_of
from .comparison_result import Comparison, Figure, Side
from .distances import Distances, Kind, mean_paired, measure_distances
from .gating import gate_words
from .measure_rows import compared_measures
from .measured import MeasuredCohort

Progress = Callable[[int, int, str], None]
PRINTED: dict[Kind, tuple[float, str]] = {"CD": (1000.0, "x1000"), "EMD": (100.0, "x100")}  # as the papers print them
DRAWS = bootstrap.DRAWS
FLOOR_DRAWS = 50  # of two cohorts of one kind
PART_DRAWS = 20  # of two parts of the real cohort
SAME_KIND = "floor: two samples of these sizes with the real cohort's mean and covariance"


def compare_cohorts(real: MeasuredCohort, synthetic: MeasuredCohort, *, seed: int = 0, emd: bool = True,
                    emd_members: int | None = None, draws: int = DRAWS, jobs: int = 0, cache: Path | None = None,
                    progress: Progress | None = None) -> Comparison:
    """All figures of a synthetic cohort against a real one.

    seed: of the resampling; the same seed gives the same intervals. emd: with the exact earth mover's distance (120
    against 120: some minutes; time goes with the square). emd_members: of either cohort at most, evenly chosen, for
    that distance alone; all by default. draws: of the intervals. jobs: processes for the distances, 0 = one a core.
    cache: a folder that keeps earth mover's distances, so that one real cohort is measured once for many others.
    progress: called with pairs of shapes done, pairs in all, and what is at work.
    Raises InputError for cohorts that do not measure the same things, or too small to compare (fewer than 4 members).
    """
    _check(real, synthetic)
    if emd_members is not None and emd_members <= feature_space.NEIGHBOURS:
        raise InputError("The earth mover's distance needs more members", value=emd_members,
                         rule=f"at least {feature_space.NEIGHBOURS + 1}",
                         hint="leave it out altogether (emd=False, --no-emd)")
    rng = np.random.default_rng(seed)
    figures = [*_morphology(real, synthetic, rng, draws)]
    kinds: tuple[Kind, ...] = ("CD", "EMD") if emd else ("CD",)
    for kind in kinds:
        most = emd_members if kind == "EMD" and emd_members is not None else max(len(real), len(synthetic))
        figures += _shapes(real.thinned(most), synthetic.thinned(most), kind, rng, draws, jobs, cache, progress)
    figures += _violations(real, synthetic, rng, draws)
    figures.sort(key=lambda figure: ORDER.index(figure.name))
    sides = [Side(part.name, len(part), dict(part.skipped)) for part in (real, synthetic)]
    rates = {f"{name} {at}": float(part.violation_percent(at == "full").mean())
             for at in ("half", "full") for name, part in (("real", real), ("synthetic", synthetic))}
    return Comparison(sides[0], sides[1], tuple(figures), tuple(_features(real, synthetic)),
                      tuple(_checks(real, synthetic)), rates, seed, draws,
                      tuple(_notes(real, synthetic, emd_members if emd else None)),
                      tuple(compared_measures(real, synthetic)))


ORDER = ("precision", "recall", "FMD", "MMD-CD", "MMD-EMD", "COV-CD", "COV-EMD", "1-NNA-CD", "1-NNA-EMD", "TV half",
         "TV full")


def _check(real: MeasuredCohort, synthetic: MeasuredCohort) -> None:
    if real.feature_keys != synthetic.feature_keys or real.anatomy.id != synthetic.anatomy.id:
        raise InputError("Cohorts with different measurements cannot be compared",
                         value=f"{real.name}: {real.anatomy.id}, {synthetic.name}: {synthetic.anatomy.id}",
                         rule="one anatomy and the same measurements", hint="measure both with one anatomy")
    for part in (real, synthetic):
        if len(part) <= feature_space.NEIGHBOURS:
            raise InputError(f"The cohort {part.name} is too small to be compared", value=f"{len(part)} members",
                             rule=f"at least {feature_space.NEIGHBOURS + 1} members",
                             hint="add label maps, or make more siblings with --count")


def _morphology(real: MeasuredCohort, synthetic: MeasuredCohort, rng: np.random.Generator,
                draws: int) -> Iterator[Figure]:
    """Precision, recall, FMD with intervals, and the floor of each at these very sizes."""
    scored, other = feature_space.standardise(real.features, synthetic.features,
                                               [key.title for key in real.feature_keys])
    sizes = (len(scored), len(other))
    halves = bootstrap.halves(sizes, rng, draws=draws, fewest=feature_space.NEIGHBOURS + 1)
    floors = feature_space.sampling_floor(scored, sizes, rng, draws=FLOOR_DRAWS)
    shares = feature_space.precision_recall(scored, other)
    drawn = [feature_space.precision_recall(scored[ours], other[theirs]) for ours, theirs in halves]
    for number, name in enumerate(("precision", "recall")):
        low, high = bootstrap.of_values([pair[number] for pair in drawn], shares[number])
        yield Figure(name, shares[number], max(low, 0.0), min(high, 1.0), best="high", floor=floors[number],
                     note=f"k = {feature_space.NEIGHBOURS} nearest neighbours, z-scored by the real cohort; "
                          f"{SAME_KIND}")
    value = feature_space.frechet_distance(scored, other)
    low, high = bootstrap.of_halves(lambda a, b: feature_space.frechet_distance(scored[a], other[b]), halves, value)
    yield Figure("FMD", value, max(low, 0.0), high, best="low", floor=floors[2], note=SAME_KIND)


def _shapes(real: MeasuredCohort, synthetic: MeasuredCohort, kind: Kind, rng: np.random.Generator, draws: int,
            jobs: int, cache: Path | None, progress: Progress | None) -> Iterator[Figure]:
    """MMD, COV, 1-NNA by one distance."""
    unit = pointcloud.unit_length(real.anatomy)
    sizes = (len(synthetic), len(real))
    halves = bootstrap.halves(sizes, rng, draws=draws)
    equal = bootstrap.at_equal_size(halves, rng)
    balanced, parts = pointcloud.balanced_draws(*sizes, rng), _parts(*sizes, rng)
    found = measure_distances(synthetic.clouds / unit, real.clouds / unit, kind, jobs=jobs, cache=cache,
                              subsets=[*halves, *balanced, *(draw for drawn in equal for draw in drawn)],
                              parts=parts, progress=progress)
    floor = mean_paired(real.clouds / unit, real.second_clouds / unit, kind, jobs=jobs)
    factor, printed = PRINTED[kind]
    value = pointcloud.minimum_matching(found.to_real)
    low, high = bootstrap.of_halves(lambda a, b: pointcloud.minimum_matching(found.to_real[np.ix_(a, b)]), halves,
                                    value)
    yield Figure(f"MMD-{kind}", factor * value, factor * max(low, 0.0), factor * high, printed, "low", factor * floor,
                 "floor: two draws of points from the same surfaces")
    value = pointcloud.coverage(found.to_real)
    low, high = bootstrap.of_halves(lambda g, r: pointcloud.coverage(found.to_real[np.ix_(g, r)]), halves, value)
    usual = [pointcloud.coverage(found.real[np.ix_(one, other)]) for one, other in parts]
    yield Figure(f"COV-{kind}", 100 * value, 100 * max(low, 0.0), 100 * min(high, 1.0), "%", "high",
                 100 * float(np.mean(usual)) if usual else None,
                 f"at most {min(100.0, 100 * sizes[0] / sizes[1]):.0f} % at these sizes; floor: two parts of the real "
                 "cohort, as unequal as these two")
    yield _nearest(found, kind, balanced, equal, rng)


def _parts(synthetic: int, real: int, rng: np.random.Generator) -> list[Halves]:
    """Pairs of disjoint parts of the real cohort, as unequal as the two cohorts; none where it is too small."""
    first = real * synthetic // (synthetic + real)
    second = real * real // (synthetic + real)
    if min(first, second) < 2:
        return []
    orders = [rng.permutation(real) for _ in range(PART_DRAWS)]
    return [(order[:first], order[first : first + second]) for order in orders]


def _nearest(found: Distances, kind: Kind, balanced: list[Halves], equal: list[list[Halves]],
             rng: np.random.Generator) -> Figure:
    """1-NNA at equal sizes. balanced: draws of equal size, none for equal cohorts; equal: the same of every pair of
    halves, over which the figure is averaged as it is over `balanced`.
    """
    nearest = pointcloud.nearest_neighbour(found.to_real, found.generated, found.real, rng, chosen=balanced)

    def accuracy(g: IntArray, r: IntArray) -> float:
        return pointcloud.nearest_neighbour(found.to_real[np.ix_(g, r)], found.generated[np.ix_(g, g)],
                                            found.real[np.ix_(r, r)], rng, chosen=()).raw

    low, high = bootstrap.of_values([float(np.mean([accuracy(*draw) for draw in drawn])) for drawn in equal],
                                    nearest.balanced)
    note = f"balanced at {nearest.size} a side; raw {100 * nearest.raw:.1f} %, chance {100 * nearest.chance:.1f} %"
    return Figure(f"1-NNA-{kind}", 100 * nearest.balanced, 100 * max(low, 0.0), 100 * min(high, 1.0), "%", 50.0,
                  note=note)


def _violations(real: MeasuredCohort, synthetic: MeasuredCohort, rng: np.random.Generator,
                draws: int) -> Iterator[Figure]:
    for at in ("half", "full"):
        rates, usual = synthetic.violation_percent(at == "full"), real.violation_percent(at == "full")
        low, high = bootstrap.of_mean(rates, rng, draws=draws)
        if not rates.any():  # to resample nothing but zeros would be certain of what was not seen
            high = bootstrap.wilson(0, len(rates))[1] * 100.0 / len(synthetic.checks)
        yield Figure(f"TV {at}", float(rates.mean()), low, high, "%", "low", float(usual.mean()),
                     "failed checks of all checks; floor: the real cohort's own"
                     + ("" if rates.any() else "; the interval holds if a map that fails fails one check"))


def _features(real: MeasuredCohort, synthetic: MeasuredCohort) -> Iterator[dict[str, object]]:
    """One row for each feature, and for the volume of each tissue that has none: both distributions in a few numbers,
    and how far apart they are. Maps that lack a tissue do not count for its volume.
    """
    from scipy.stats import ks_2samp

    for key in real.columns():
        ours, theirs = (values[np.isfinite(values)] for values in (real.column(key), synthetic.column(key)))
        if not len(ours) or not len(theirs):
            continue  # `_notes` names it
        one, other = summary_of(ours), summary_of(theirs)
        spread = 0.0 if feature_space.constant(ours) else one.deviation
        row: dict[str, object] = {"feature": key.title}
        for side, found in (("real", one), ("synthetic", other)):
            row |= {f"{side} mean": found.mean, f"{side} sd": found.deviation, **found.percentile_cells(f"{side} ")}
        row["shift [real sd]"] = (other.mean - one.mean) / spread if spread else float("nan")
        row["spread ratio"] = other.deviation / spread if spread else float("nan")
        row["Kolmogorov-Smirnov"] = float(ks_2samp(ours, theirs).statistic)
        yield row


def _checks(real: MeasuredCohort, synthetic: MeasuredCohort) -> Iterator[dict[str, object]]:
    """One row for each check: the share of maps that fail it, in percent."""
    for name in real.checks:
        row: dict[str, object] = {"check": name}
        for at in ("half", "full"):
            for side, part in (("real", real), ("synthetic", synthetic)):
                failed = part.failed_full if at == "full" else part.failed_half
                row[f"{side} {at} [%]"] = 100.0 * float(np.mean([name in names for names in failed]))
        yield row


def _notes(real: MeasuredCohort, synthetic: MeasuredCohort, emd_members: int | None) -> Iterator[str]:
    sizes = [len(part) if emd_members is None else min(len(part), emd_members) for part in (real, synthetic)]
    if sizes != [len(real), len(synthetic)]:
        yield (f"Earth mover's distances are of {sizes[0]} real and {sizes[1]} synthetic members, evenly chosen; all "
               "other figures are of all members")
    if len(real) != len(synthetic):
        yield (f"The cohorts differ in size ({len(real)} and {len(synthetic)}): precision, recall, COV and MMD depend "
               "on sizes, 1-NNA is balanced")
    for side, part in (("real", real), ("synthetic", synthetic)):
        if part.skipped:
            yield f"{len(part.skipped)} maps of the {side} cohort could not be measured and are left out"
        yield from (f"{side} cohort {words}" for words in part.assumptions)
        yield from (f"No map of the {side} cohort has {key.tissue}, which is not compared"
                    for key, values in part.columns().items() if not np.isfinite(values).any())
        if (words := gate_words(part.paths)) is not None:
            yield f"The {side} cohort {words}"
