"""Two cohorts compared: perfect against itself, even for two halves, worse under damage, exact where it prunes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from small_cohorts import small_cohort

from DiffusionSiblingsLib.cohorts.compare_cohorts import compare_cohorts
from DiffusionSiblingsLib.cohorts.comparison_result import Comparison
from DiffusionSiblingsLib.cohorts.distances import Progress, mean_paired, measure_distances
from DiffusionSiblingsLib.cohorts.gating import gate_words
from DiffusionSiblingsLib.cohorts.measured import MeasuredCohort
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.record import Record
from DiffusionSiblingsLib.metrics import bootstrap, pointcloud
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, tissue_key
from DiffusionSiblingsLib.metrics.transport import earth_mover

NAMES = ("precision", "recall", "FMD", "MMD-CD", "MMD-EMD", "COV-CD", "COV-EMD", "1-NNA-CD", "1-NNA-EMD", "TV half",
         "TV full")
QUICK = {"draws": 40, "jobs": 1}


@pytest.fixture(scope="module")
def hearts() -> MeasuredCohort:
    """48 hearts of one kind."""
    return small_cohort("hearts", 48, seed=1)


def values(comparison: Comparison) -> dict[str, float]:
    return {figure.name: figure.value for figure in comparison.figures}


def shapes(seed: int, count: int, points: int = 192, swell: float = 0.1) -> np.ndarray:
    """(count, points, 3) random points of ellipsoids that vary."""
    rng = np.random.default_rng(seed)
    dots = rng.normal(size=(count, points, 3))
    return dots / np.linalg.norm(dots, axis=2, keepdims=True) * (1 + swell * rng.normal(size=(count, 1, 3)))


def test_a_cohort_against_itself_is_perfect_and_found_to_be_a_copy(hearts: MeasuredCohort) -> None:
    hearts = hearts.subset(range(20))
    found = compare_cohorts(hearts, hearts.subset(range(20), "copy"), **QUICK)
    assert tuple(figure.name for figure in found.figures) == NAMES
    figures = values(found)
    assert (figures["precision"], figures["recall"]) == (1, 1)
    for name in ("FMD", "MMD-CD", "MMD-EMD", "1-NNA-CD", "1-NNA-EMD"):
        assert figures[name] == pytest.approx(0, abs=1e-9)
    assert (figures["COV-CD"], figures["COV-EMD"]) == (100, 100)
    assert (found.real.size, found.synthetic.name) == (20, "copy")
    assert found.notes == ()


def test_two_halves_of_one_cohort_cannot_be_told_apart(hearts: MeasuredCohort) -> None:
    found = compare_cohorts(hearts.subset(range(24)), hearts.subset(range(24, 48)), **QUICK)
    for kind in ("CD", "EMD"):
        assert found.figure(f"1-NNA-{kind}").value == pytest.approx(50, abs=25)  # 3.5 deviations of 48 throws
        assert (found.figure(f"MMD-{kind}").floor or 0) > 0
    fmd = found.figure("FMD")
    assert fmd.floor is not None
    assert 0.4 < fmd.value / fmd.floor < 2.5
    for figure in found.figures:
        assert math.isnan(figure.low) or figure.low <= figure.value <= figure.high


def test_floors_are_what_halves_of_one_cohort_have(hearts: MeasuredCohort) -> None:
    found = compare_cohorts(hearts.subset(range(24)), hearts.subset(range(24, 48)), **QUICK)
    for name, within in (("precision", 0.15), ("recall", 0.15), ("COV-CD", 20), ("COV-EMD", 20)):
        figure = found.figure(name)
        assert figure.floor is not None and figure.floor < (1 if within < 1 else 100)
        assert figure.value == pytest.approx(figure.floor, abs=within), name


def test_the_order_of_members_does_not_matter(hearts: MeasuredCohort) -> None:
    real, other = hearts.subset(range(20)), hearts.subset(range(20, 48))
    rng = np.random.default_rng(0)
    mixed = compare_cohorts(real.subset(rng.permutation(20)), other.subset(rng.permutation(28)), **QUICK)
    expected = values(compare_cohorts(real, other, **QUICK))
    for name, value in values(mixed).items():  # 1-NNA of unequal sizes is a mean over draws, which differ
        assert value == pytest.approx(expected[name], rel=1e-9, abs=8 if name.startswith("1-NNA") else 1e-9)
    assert any("differ in size" in note for note in mixed.notes)


def test_the_earth_movers_distance_of_some_members(hearts: MeasuredCohort) -> None:
    real, other = hearts.subset(range(20)), hearts.subset(range(20, 48))
    some = compare_cohorts(real, other, emd_members=10, **QUICK)
    alone = values(compare_cohorts(real.subset([0, 2, 4, 6, 8, 11, 13, 15, 17, 19]),
                                   other.subset([0, 3, 6, 9, 12, 15, 18, 21, 24, 27]), **QUICK))
    whole = values(compare_cohorts(real, other, emd=False, **QUICK))
    for name, value in values(some).items():
        assert value == pytest.approx(alone[name] if name.endswith("EMD") else whole[name], rel=1e-9), name
    assert any("10 real and 10 synthetic members" in note for note in some.notes)
    assert not compare_cohorts(real, real, emd_members=20, **QUICK).notes
    with pytest.raises(InputError, match="needs more members"):
        compare_cohorts(real, other, emd_members=3, **QUICK)


def test_damage_worsens_the_figures_step_by_step(hearts: MeasuredCohort) -> None:
    real = hearts.subset(range(24))
    steps = [values(compare_cohorts(real, small_cohort("x", 24, seed=5, larger=larger), emd=False, **QUICK))
             for larger in (1.0, 1.06, 1.15, 1.3)]
    for name, sign in (("precision", 1), ("recall", 1), ("FMD", -1), ("MMD-CD", -1)):
        assert all(sign * (a[name] - b[name]) >= 0 for a, b in pairwise(steps)), name
        assert sign * (steps[0][name] - steps[-1][name]) > 0, name
    assert steps[0]["1-NNA-CD"] < steps[-1]["1-NNA-CD"]
    narrow = values(compare_cohorts(real, small_cohort("x", 24, seed=5, spread=0.01), emd=False, **QUICK))
    assert narrow["precision"] > 0.9  # all of them sound, and all alike: recall says so
    assert narrow["recall"] < 0.5


def test_failed_checks_are_counted_as_the_papers_do(hearts: MeasuredCohort) -> None:
    real = replace(hearts.subset(range(8)), failed_half=((),) * 8, failed_full=((),) * 8)
    failed = (("LV-Ao contact",), ("LV-Ao contact", "LA-RA no contact"), *((),) * 6)
    synthetic = replace(hearts.subset(range(8, 16)), failed_half=failed, failed_full=((),) * 8)
    found = compare_cohorts(real, synthetic, emd=False, **QUICK)
    assert found.figure("TV half").value == pytest.approx(100 * 3 / (12 * 8))
    assert found.figure("TV half").floor == 0
    none = found.figure("TV full")  # of 8 maps none fails, and yet up to a third of such hearts might
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(100 / 12 * bootstrap.wilson(0, 8)[1])
    assert found.violations == pytest.approx({"real half": 0, "synthetic half": 100 / 32, "real full": 0,
                                              "synthetic full": 0})
    rows = {row["check"]: row for row in found.checks}
    assert len(rows) == 12
    assert rows["LV-Ao contact"]["synthetic half [%]"] == 25
    assert rows["LA-RA no contact"]["synthetic half [%]"] == 12.5
    assert rows["LV-RV no contact"]["synthetic half [%]"] == 0


def test_feature_rows_say_how_two_distributions_lie(hearts: MeasuredCohort) -> None:
    real = hearts.subset(range(24))
    mean, deviation = real.features.mean(axis=0), real.features.std(axis=0, ddof=1)
    wide = replace(real, features=mean + 2 * (real.features - mean) + deviation)
    rows = {row["feature"]: row for row in compare_cohorts(real, wide, emd=False, **QUICK).per_feature}
    volumes = [tissue_key(tissue).title for tissue in real.anatomy.ids]
    assert set(rows) == {*(key.title for key in real.feature_keys), *volumes}, "every tissue is compared"
    assert rows["Myo volume [ml]"]["real mean"] == pytest.approx(real.column(tissue_key("Myo")).mean())
    row = rows["RV volume [ml]"]
    assert row["shift [real sd]"] == pytest.approx(1)
    assert row["spread ratio"] == pytest.approx(2)
    assert row["real 50 %"] == pytest.approx(np.median(real.column(tissue_key("RV"))))
    assert 0 < row["Kolmogorov-Smirnov"] < 1


def test_a_comparison_survives_json_and_makes_a_row(hearts: MeasuredCohort) -> None:
    found = compare_cohorts(hearts.subset(range(6)), hearts.subset(range(6, 12)), emd=False, **QUICK)
    text = json.dumps(found.to_json(), allow_nan=False)
    again = Comparison.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == json.dumps(found.to_json())
    assert math.isnan(again.figure("precision").low)  # 3 members in a half have no third neighbour
    row = found.row()
    assert row["COV-CD [%]"] == found.figure("COV-CD").value
    assert row["FMD floor"] == found.figure("FMD").floor
    assert not found.has("MMD-EMD")
    with pytest.raises(InputError, match="does not have this figure"):
        found.figure("MMD-EMD")
    with pytest.raises(InputError, match="The comparison cannot be read"):
        Comparison.from_json({"schema": "siblings-comparison/1"})
    same = compare_cohorts(hearts.subset(range(6)), hearts.subset(range(6, 12)), emd=False, **QUICK)
    assert same.to_json() == found.to_json()  # its seed decides


def test_a_tissue_that_some_maps_lack_is_compared_in_the_others_and_one_that_all_lack_is_told(
        hearts: MeasuredCohort) -> None:
    real, other = hearts.subset(range(8)), hearts.subset(range(8, 16))
    aorta = real.anatomy.ids.index("Ao")
    some, none = other.volumes.copy(), other.volumes.copy()
    some[0, aorta], none[:, aorta] = np.nan, np.nan
    found = compare_cohorts(real, replace(other, volumes=some), emd=False, **QUICK)
    row = next(row for row in found.per_feature if row["feature"] == "Ao volume [ml]")
    assert row["synthetic mean"] == pytest.approx(some[1:, aorta].mean()) and not found.notes
    found = compare_cohorts(real, replace(other, volumes=none), emd=False, **QUICK)
    assert found.notes == ("No map of the synthetic cohort has Ao, which is not compared",)


def test_measures_by_name_are_compared_in_the_members_that_have_them(hearts: MeasuredCohort) -> None:
    wall, ring = MeasurementKey("thickness", "LV wall", "mm"), MeasurementKey("area", "aortic annulus", "mm^2")
    lost = np.full(8, np.nan)
    real = replace(hearts.subset(range(8)), named={wall: np.arange(8.0), ring: lost})
    other = replace(hearts.subset(range(8, 16)), named={wall: np.r_[np.nan, np.arange(7.0) + 20],
                                                        ring: np.r_[lost[1:], 4]})
    rows = {row["measure"]: row for row in compare_cohorts(real, other, emd=False, **QUICK).per_measure}
    first = rows[wall.title]
    assert (first["real found"], first["synthetic found"]) == (8, 7)
    assert first["real 50 %"] == 3.5 and first["synthetic 50 %"] == 23
    assert first["difference of medians"] == 19.5 and first["Kolmogorov-Smirnov"] == 1
    second = rows[ring.title]
    assert (second["real found"], second["synthetic found"], second["synthetic 50 %"]) == (0, 1, 4)
    assert second["real 50 %"] is None and second["difference of medians"] is None


def test_a_gated_cohort_says_how_many_of_how_many_it_is(hearts: MeasuredCohort, tmp_path: Path) -> None:
    def written(name: str, siblings: list[dict[str, object]], rejected: int) -> MeasuredCohort:
        record = Record({"id": "m", "version": "0", "sha256": ""}, {}, "2026-01-01T00:00:00+00:00")
        record.runs = [{"request": {}, "rejected": [{"k": 8 + n} for n in range(rejected)], "siblings": [
            {"file": f"{n}.nrrd", "k": n, **one} for n, one in enumerate(siblings)]}]
        record.write(tmp_path / name / "record.json")
        return replace(hearts.subset(range(8)), paths=tuple(tmp_path / name / f"{n}.nrrd" for n in range(8)))

    plain, gated = written("plain", [{}] * 8, 0), written("gated", [{"gate": {"passed": True}}] * 8, 5)
    assert gate_words(plain.paths) is None
    (words,) = compare_cohorts(plain, gated, emd=False, **QUICK).notes
    assert words.startswith("The synthetic cohort was made with acceptance checks, which 8 of 13 hearts passed")
    assert gate_words([*plain.paths, tmp_path / "elsewhere" / "a.nrrd"]) is None


def test_cohorts_that_cannot_be_compared_are_refused(hearts: MeasuredCohort) -> None:
    with pytest.raises(InputError, match="too small"):
        compare_cohorts(hearts, hearts.subset(range(3)))
    with pytest.raises(InputError, match="different measurements"):
        compare_cohorts(hearts, replace(hearts, feature_keys=hearts.feature_keys[::-1]))


# Exactness of what is pruned

@pytest.mark.parametrize(("synthetic", "real"), [(9, 9), (7, 16), (16, 7)])
def test_pruned_distances_give_the_figures_of_all_of_them(synthetic: int, real: int) -> None:
    generated, hearts = shapes(1, synthetic), shapes(2, real)
    rng = np.random.default_rng(0)
    drawn = pointcloud.balanced_draws(synthetic, real, rng, draws=8)
    subsets = [*bootstrap.halves((synthetic, real), rng, draws=8), *drawn]
    pruned = measure_distances(generated, hearts, "EMD", subsets=subsets, jobs=1)
    full = measure_distances(generated, hearts, "EMD", full=True, jobs=1)
    assert full.exact.all()
    expected = [[earth_mover(a, b) for b in hearts] for a in generated]
    assert full.to_real == pytest.approx(np.array(expected), rel=1e-12)
    assert pruned.joint[pruned.exact] == pytest.approx(full.joint[pruned.exact], rel=1e-12)
    assert (pruned.joint <= full.joint + 1e-12).all()  # the others are bounds
    everything = (np.arange(synthetic), np.arange(real))
    for ours, theirs in [everything, *subsets]:
        both = [[found.to_real[np.ix_(ours, theirs)], found.generated[np.ix_(ours, ours)],
                 found.real[np.ix_(theirs, theirs)]] for found in (pruned, full)]
        one, other = ((pointcloud.minimum_matching(parts[0]), pointcloud.coverage(parts[0]),
                       pointcloud.nearest_neighbour(*parts, np.random.default_rng(3)).to_json()
                       if len(ours) == len(theirs) else None) for parts in both)
        assert str(one) == str(other)


def test_pruning_leaves_most_pairs_unmeasured_and_finds_ties() -> None:
    generated, real = shapes(3, 16, swell=0.25), shapes(4, 16, swell=0.25)
    found = measure_distances(generated, real, "EMD", jobs=1)
    assert found.exact.mean() < 0.4
    tied = np.concatenate([real[:5], real[:5]])  # every shape has a double at exactly the same distance
    found = measure_distances(generated[:4], tied, "EMD", jobs=1)
    full = measure_distances(generated[:4], tied, "EMD", full=True, jobs=1)
    assert pointcloud.coverage(found.to_real) == pointcloud.coverage(full.to_real)


def test_distances_are_kept_and_taken_from_the_cache(tmp_path: Path) -> None:
    generated, real, seen = shapes(5, 6), shapes(6, 8), []

    def note(done: int, total: int, what: str) -> None:
        seen.append((total, what))

    progress: Progress = note
    first = measure_distances(generated, real, "EMD", jobs=1, cache=tmp_path, progress=progress)
    assert seen[0] == (14 * 13 // 2, "EMD bounds")
    seen.clear()
    again = measure_distances(generated, real, "EMD", jobs=1, cache=tmp_path, progress=progress)
    assert seen == []
    assert np.array_equal(first.joint, again.joint)
    measure_distances(shapes(7, 5), real, "EMD", jobs=1, cache=tmp_path, progress=progress)
    assert seen[0] == (5 * 4 // 2 + 5 * 8, "EMD bounds")  # those within the real cohort are there
    for path in tmp_path.iterdir():
        path.write_bytes(b"half a file")
    assert np.array_equal(measure_distances(generated, real, "EMD", jobs=1, cache=tmp_path).to_real, first.to_real)


def test_two_processes_measure_what_one_does() -> None:
    generated, real = shapes(8, 8, points=60), shapes(9, 8, points=60)
    one, two = (measure_distances(generated, real, "EMD", jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(one.exact, two.exact)
    assert one.joint == pytest.approx(two.joint, rel=1e-12)
    chamfer = measure_distances(generated, real, "CD", jobs=1)
    assert chamfer.to_real == pytest.approx(pointcloud.between(list(generated), list(real)))
    assert mean_paired(generated, real, "CD", jobs=1) == pytest.approx(np.mean(np.diag(chamfer.to_real)))
