"""Drawn aortas: what the truth says is what the voxels show, measured independently, and calibres are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from DiffusionSiblingsLib.core.anatomy import resource_folder
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.drawing.aorta import draw_aorta
from DiffusionSiblingsLib.drawing.aortic_arch import STATIONS, Arch, draw_arch
from DiffusionSiblingsLib.drawing.aortic_branches import draw_branches, draw_widths
from DiffusionSiblingsLib.drawing.cohort import draw_cohort
from DiffusionSiblingsLib.drawing.drawn import Drawn
from DiffusionSiblingsLib.drawing.morphometry import Morphometry

ENTRIES: dict[str, Any] = json.loads(
    (resource_folder() / "Morphometry" / "aorta.json").read_text(encoding="utf-8"))["measurements"]


@pytest.fixture(scope="module", params=range(5))
def drawn(request: pytest.FixtureRequest) -> Drawn:
    return draw_aorta(request.param)


def label_at(drawn: Drawn, points: np.ndarray) -> np.ndarray:
    """The voxel values at (n, 3) RAS mm, 0 outside the grid."""
    inverse = np.linalg.inv(drawn.labelmap.affine)
    index = (points @ inverse[:3, :3].T + inverse[:3, 3])[:, ::-1]
    return np.asarray(ndimage.map_coordinates(drawn.labelmap.labels, index.T, order=0, mode="constant"))


def section_area(drawn: Drawn, station: dict[str, Any]) -> float:
    """Mm^2 of the aorta around the centre, on a plane across a station, counted on a grid of 0.5 mm."""
    across = np.linalg.svd(np.array(station["normal"])[None])[2][1:]  # two directions in the plane
    steps = np.arange(-45, 45.25, 0.5)
    v, u = np.meshgrid(steps, steps, indexing="ij")
    points = np.array(station["point"]) + u[..., None] * across[0] + v[..., None] * across[1]
    pieces, _ = ndimage.label((label_at(drawn, points.reshape(-1, 3)) == 1).reshape(u.shape))
    middle = pieces[len(steps) // 2, len(steps) // 2]
    assert middle > 0
    return 0.25 * float((pieces == middle).sum())


def test_union_and_every_tissue_are_one_piece(drawn: Drawn) -> None:
    labels = drawn.labelmap.labels
    for inside in [labels > 0, *(labels == value for value in np.unique(labels[labels > 0]))]:
        assert ndimage.label(inside, np.ones((3, 3, 3)))[1] == 1
    assert set(map(tuple, drawn.truth["betti"].values())) == {(1, 0, 0)}
    assert set(drawn.truth["betti"]) == {"union", *drawn.labelmap.tissues}


def test_diameters_of_the_truth_are_those_of_the_voxels(drawn: Drawn) -> None:
    """Where no branch leaves; in a bend, sections also cut what does not belong to their place."""
    for station in drawn.truth["stations"]:
        if station["name"] not in ("ascending", "isthmus"):
            continue
        found = 2 * np.sqrt(section_area(drawn, station) / np.pi)
        assert found == pytest.approx(station["diameter_mm"], abs=1.5), station["name"]  # a voxel


def test_branches_begin_in_their_parents_at_the_wall_and_lie_in_their_tissues(drawn: Drawn) -> None:
    lines, values = drawn.truth["centre_lines"], {name: of[0] for name, of in drawn.labelmap.tissues.items()}
    for tissue, branch in drawn.truth["branches"].items():
        seen = label_at(drawn, np.array(lines[tissue]["points"]))
        assert seen[0] == values[branch["parent"]]
        inside = seen[seen > 0]
        assert (inside == values[tissue]).mean() > 0.4
        parent = lines[branch["parent"]]
        away = np.linalg.norm(np.array(parent["points"]) - branch["origin"], axis=1)
        assert away.min() == pytest.approx(parent["radii"][away.argmin()], abs=1.0)
        assert 0 < branch["takeoff_degrees"] < 180


def test_volumes_are_those_of_the_voxels(drawn: Drawn) -> None:
    values = {tissue: of[0] for tissue, of in drawn.labelmap.tissues.items()}
    for tissue, ml in drawn.truth["volumes_ml"].items():
        assert ml == pytest.approx((drawn.labelmap.labels == values[tissue]).sum() * 1.5**3 / 1000)


def test_a_seed_gives_the_same_aorta_and_another_one_another() -> None:
    one, again, other = draw_aorta(7), draw_aorta(7), draw_aorta(8)
    assert np.array_equal(one.labelmap.labels, again.labelmap.labels) and one.truth == again.truth
    assert not np.array_equal(one.labelmap.labels, other.labelmap.labels)
    json.dumps(one.truth, allow_nan=False)
    with pytest.raises(InputError):
        draw_aorta(-1)


def arch_of(seed: int, kind: str = "typical calibres", variant: str = "typical") -> tuple[Arch, Morphometry]:
    morphometry = Morphometry(ENTRIES, np.random.default_rng(seed))
    return draw_arch(morphometry, kind, draw_widths(morphometry, variant)), morphometry


def test_calibres_have_the_published_mean_and_spread() -> None:
    values = [arch_of(seed)[1].drawn for seed in range(60)]
    for name in STATIONS:
        found = np.array([one[name] for one in values], dtype=np.float64)
        mean, sd = ENTRIES[name]["mean"], ENTRIES[name]["sd"]
        assert abs(found.mean() - mean) < 4 * sd / 60**0.5
        assert 0.7 * sd < found.std() < 1.25 * sd  # cut at 2.5 standard deviations


def test_the_first_branch_drops_as_the_type_of_the_arch_says() -> None:
    limits = {"I": (0, 1), "II": (1, 2), "III": (2, 3)}
    for seed in range(10):
        arch, morphometry = arch_of(seed)
        low, high = limits[str(morphometry.drawn["arch type"])]
        below = arch.top - arch.wall(arch.origins["BCT"])[2]
        assert low < below / float(morphometry.drawn["LCCA"]) < high
        assert below == pytest.approx(arch.drop, abs=1.0)


@pytest.mark.parametrize(("kind", "station", "least", "most"), [
    ("typical calibres", "ascending", 1.0, 1.0), ("coarctation", "isthmus", 0.4, 0.7),
    ("ascending aneurysm", "ascending", 1.35, 1.7)])
def test_a_kind_of_aorta_changes_calibres_where_it_sits(kind: str, station: str, least: float, most: float) -> None:
    for seed in range(5):
        arch, morphometry = arch_of(seed, kind)
        times = 2 * float(arch.tube.radius_at(arch.places[station])) / float(morphometry.drawn[station])
        assert least - 0.02 <= times <= most + 0.02


@pytest.mark.parametrize(("variant", "tissues"), [
    ("typical", ["BCT", "RCCA", "RSA", "LCCA", "LSA"]), ("common trunk", ["BCT", "RCCA", "RSA", "LCCA", "LSA"]),
    ("left vertebral", ["BCT", "RCCA", "RSA", "LCCA", "LVA", "LSA"]),
    ("aberrant right subclavian", ["RCCA", "LCCA", "LSA", "RSA"])])
def test_variants_have_their_branches(variant: str, tissues: list[str]) -> None:
    arch, morphometry = arch_of(0, variant=variant)
    branches = {branch.tube.tissue: branch for branch in draw_branches(morphometry, arch, variant)}
    assert list(branches) == tissues
    assert branches["LCCA"].parent == ("BCT" if variant == "common trunk" else "Ao")


def test_the_truth_lists_every_draw_and_the_branches_have_the_drawn_diameters(drawn: Drawn) -> None:
    values = drawn.truth["drawn"]
    for tissue, branch in drawn.truth["branches"].items():
        assert branch["diameter_mm"] == pytest.approx(values[tissue], abs=1e-3)
    assert {f"gap carotid to subclavian ({name})" for name in ("LSA",)} <= set(values)
    assert {"height", "width", "turn", "kind", "variant", "arch type", *STATIONS} <= set(values)


def test_every_number_has_a_source() -> None:
    assert all(entry["source"] for entry in ENTRIES.values())


def test_a_cohort_is_written_once_with_its_truth(tmp_path: Path) -> None:
    (first,) = draw_cohort("aorta", range(1, 2), tmp_path)
    before = first.stat().st_mtime_ns
    paths = list(draw_cohort("aorta", range(1, 3), tmp_path))
    assert [path.name for path in paths] == ["aorta_00001.nii.gz", "aorta_00002.nii.gz"]
    assert first.stat().st_mtime_ns == before
    truth = json.loads((tmp_path / "aorta_00002.json").read_text(encoding="utf-8"))
    voxels = np.asarray(nibabel.load(paths[1]).dataobj).transpose()  # type: ignore[attr-defined]
    assert truth["seed"] == 2 and np.array_equal(voxels, draw_aorta(2).labelmap.labels)
    with pytest.raises(InputError, match="one of aorta, coronary"):
        next(draw_cohort("heart", range(1), tmp_path))
