"""The canonical frame: one heart gives one map from any pose and grid, and its way back leaves alone what it must."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from frames import dice, grid_around, heart_on, lowest_pairwise_dice, random_pose
from hypothesis import given, settings
from hypothesis import strategies as st

from DiffusionSiblingsLib.core.anatomy import Anatomy, load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.geometry.canonical import canonicalise
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame, field_of_view_mask
from DiffusionSiblingsLib.labelmaps.geometry.reference import (
    Reference,
    build_reference,
    contrasts_of,
    starting_reference,
    upright,
)
from DiffusionSiblingsLib.labelmaps.geometry.resample import resample_to_canonical, sample_probabilities, to_twin
from DiffusionSiblingsLib.labelmaps.read import read_labelmap

HEART = load_anatomy("heart")
FRAME = CanonicalFrame.of(HEART)
PLAIN = FRAME.affine  # the canonical grid itself


@lru_cache(maxsize=1)
def reference() -> Reference:
    plain = heart_on(PLAIN, FRAME.shape, HEART)
    start = starting_reference(plain, PLAIN, HEART)
    sizes = ({}, {"LV": 1.1, "RA": 0.9}, {"RV": 1.1, "LA": 1.15}, {"LV": 0.9, "Myo": 0.95})
    hearts = [(heart_on(PLAIN, FRAME.shape, HEART, scale=s), PLAIN) for s in sizes]
    return build_reference(hearts, HEART, build_reference(hearts, HEART, start))


def canonical_of(spacing: object, seed: int, **shape: object) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pose = random_pose(rng)
    affine, size = grid_around(rng, pose, spacing)
    return canonicalise(heart_on(affine, size, HEART, pose, **shape), affine, HEART, reference()).labels


def test_one_heart_gives_one_map_from_any_pose_and_grid() -> None:
    rng = np.random.default_rng(7)
    spacings = [1.4, 2.0, 1.0, *(rng.uniform(0.8, 2.0, 3) for _ in range(5))]
    maps = [canonical_of(spacing, seed) for seed, spacing in enumerate(spacings)]
    lowest = lowest_pairwise_dice(maps, HEART)
    assert min(lowest.values()) >= 0.95, lowest


def test_spacings_at_the_ends_of_the_range_give_the_same_pose() -> None:
    expected = canonical_of(1.4, 1)
    assert min(dice(canonical_of(0.7, 2), expected, HEART).values()) > 0.97
    assert min(dice(canonical_of((1.0, 1.0, 5.0), 3), expected, HEART).values()) > 0.85
    assert min(dice(canonical_of(5.0, 4), expected, HEART).values()) > 0.75


def test_voxel_axis_order_and_flips_do_not_matter() -> None:
    rng = np.random.default_rng(11)
    pose = random_pose(rng)
    affine, size = grid_around(rng, pose, (1.3, 1.6, 1.1))
    labels = heart_on(affine, size, HEART, pose)
    expected = canonicalise(labels, affine, HEART, reference()).labels
    for order in ((0, 1, 2), (1, 0, 2)):
        for flips in ((1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)):
            turned = labels.transpose([2 - order[2], 2 - order[1], 2 - order[0]])  # KJI axes of IJK order `order`
            step = affine[:, [*order, 3]].copy()
            for axis, flip in enumerate(flips):
                if flip < 0:
                    turned = np.flip(turned, 2 - axis)
                    step[:3, 3] += step[:3, axis] * (turned.shape[2 - axis] - 1)
                    step[:3, axis] *= -1
            found = canonicalise(turned, step, HEART, reference()).labels
            assert np.mean(found != expected) < 2e-5, (order, flips)


def test_the_transform_is_rigid_and_keeps_volumes() -> None:
    rng = np.random.default_rng(3)
    pose = random_pose(rng)
    affine, size = grid_around(rng, pose, 1.0)
    labels = heart_on(affine, size, HEART, pose, scale={"LV": 1.05})
    found = canonicalise(labels, affine, HEART, reference())
    rotation = found.to_world[:3, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) > 0
    for tissue in HEART.tissues:
        before, after = (labels == tissue.label).sum() * 1.0, (found.labels == tissue.label).sum() * 1.4**3
        assert after == pytest.approx(before, rel=0.015), tissue.id


def test_the_reference_stands_upright() -> None:
    place = dict(zip(HEART.ids, reference().centroids, strict=True))
    axis = place["LA"] - place["LV"]
    assert axis[2] > 40 and abs(axis[:2]).max() < 3
    assert (place["RV"] - place["LV"])[0] > 30
    assert np.abs(upright(reference(), HEART) - reference().centroids).max() < 5


def test_a_map_without_aorta_lies_where_the_whole_one_lies() -> None:
    whole, without = canonical_of(1.4, 5), canonical_of(1.4, 5, leave_out=("Ao",))
    found = dice(whole, without, HEART)
    assert min(value for tissue, value in found.items() if tissue != "Ao") > 0.97
    assert found["Ao"] == 0


def test_the_image_border_cuts_tissue_and_makes_none_up() -> None:
    labels = heart_on(PLAIN, FRAME.shape, HEART)
    affine = PLAIN.copy()
    affine[:3, 3] += affine[:3, 2] * 40
    found = resample_to_canonical(labels[40:], affine, np.eye(4), FRAME)
    assert np.array_equal(found[40:], labels[40:])
    assert not found[:40].any()


def test_there_and_back_on_a_grid_of_the_model_s_spacing() -> None:
    rng = np.random.default_rng(5)
    pose = random_pose(rng)
    affine, size = grid_around(rng, pose, 1.4)
    labels = heart_on(affine, size, HEART, pose)
    found = canonicalise(labels, affine, HEART, reference())
    hard = np.stack([found.labels == value for value in range(7)]).astype(np.float16)
    reach = np.ones(size, bool)
    back = to_twin(hard, found.to_world, FRAME, affine, size, reach)
    result = dice(back.labels, labels, HEART)
    assert min(result[chamber] for chamber in HEART.chambers) >= 0.97, result
    assert np.array_equal(back.evaluated, field_of_view_mask(affine, size, found.to_world, FRAME))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_the_way_back_is_exact_interpolation_where_reached_and_nothing_elsewhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = CanonicalFrame((9, 12, 10), float(rng.uniform(0.5, 3)))
    soft = rng.dirichlet(np.full(4, rng.choice([0.05, 0.3, 2.0])), frame.shape).transpose(3, 0, 1, 2).astype(np.float32)
    pose = random_pose(rng)
    spacing = rng.uniform(0.3, 2, 3) * frame.spacing
    affine, size = grid_around(rng, pose, spacing, half=frame.spacing * 7, shear=0.2)
    reach = rng.random(size) < 0.5
    found = to_twin(soft, pose, frame, affine, size, reach)
    inside = field_of_view_mask(affine, size, pose, frame)
    assert np.array_equal(found.evaluated, reach & inside)
    assert not found.labels[~found.evaluated].any()
    index = np.argwhere(found.evaluated)
    values = sample_probabilities(soft, pose, frame, index[:, ::-1] @ affine[:3, :3].T + affine[:3, 3])
    assert np.allclose(values.sum(axis=1), 1, atol=1e-4)
    ordered = np.sort(values, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 1e-4
    assert np.array_equal(found.labels[found.evaluated][clear], values.argmax(axis=1)[clear])


def test_points_outside_the_field_of_view_are_background() -> None:
    soft = np.zeros((3, 4, 4, 4), np.float32)
    soft[2] = 1
    found = sample_probabilities(soft, np.eye(4), CanonicalFrame((4, 4, 4), 1.0), np.array([[0, 0, 0], [9.0, 0, 0]]))
    assert found.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_very_fine_grid_takes_no_more_than_three_seconds() -> None:
    affine = PLAIN.copy()
    affine[:3, :3] *= 0.35 / 1.4
    size = (330, 330, 330)
    affine[:3, 3] = -affine[:3, :3] @ (np.array(size[::-1]) - 1) / 2
    labels = np.zeros(size, np.uint8)
    labels[:] = heart_on(affine, size, HEART)
    start = time.process_time()
    canonicalise(labels, affine, HEART, reference(), cut_limit=0.5)
    assert time.process_time() - start < 3


def test_agreement_tells_a_heart_from_its_mirror_image_and_from_swapped_labels() -> None:
    labels = heart_on(PLAIN, FRAME.shape, HEART)
    straight = canonicalise(labels, PLAIN, HEART, reference()).agreement
    mirrored = canonicalise(labels, np.diag([-1.0, 1, 1, 1]) @ PLAIN, HEART, reference()).agreement
    table = np.arange(256, dtype=np.uint8)
    table[[3, 4, 5, 6]] = [4, 3, 6, 5]
    swapped = canonicalise(table[labels], PLAIN, HEART, reference()).agreement
    assert straight > 0.95 and max(mirrored, swapped) < straight - 0.1


def refused(labels: np.ndarray, affine: np.ndarray) -> str:
    with pytest.raises(InputError) as caught:
        canonicalise(labels, affine, HEART, reference())
    return caught.value.message()


def test_what_cannot_be_used_is_refused_with_the_reason() -> None:
    small = np.diag([2.8, 2.8, 2.8, 1.0])
    small[:3, 3] = -2.8 * 30
    labels = heart_on(small, (64, 60, 60), HEART)
    singular = small.copy()
    singular[:3, 1] = singular[:3, 0]
    assert "singular" in refused(labels, singular)
    assert "singular" in refused(labels, np.zeros((4, 4)))
    assert "finite" in refused(labels, np.full((4, 4), np.nan))
    assert "0.3 to 5 mm" in refused(labels, small @ np.diag([0.1, 1, 1, 1]))
    assert "0.3 to 5 mm" in refused(labels, small @ np.diag([1, 1, 2.0, 1]))
    assert "Left atrium" in refused(heart_on(small, (64, 60, 60), HEART, leave_out=("LA",)), small)
    assert "no known tissue" in refused(np.zeros((8, 8, 8), np.uint8), small)
    assert "on one line" in refused(heart_on(small, (64, 60, 60), HEART, leave_out=("RV", "RA", "Ao", "Myo")), small)
    far = heart_on(small, (64, 60, 60), HEART)
    message = refused(far, small @ np.diag([1.78, 1.78, 1.78, 1]))
    assert "larger than the field of view" in message and "ml outside" in message and "What to do" in message


def test_an_aorta_outside_the_field_of_view_is_reported_not_refused() -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-100, -100, -90)
    labels = heart_on(affine, (140, 100, 100), HEART)
    labels[60:139, 58:62, 52:56] = np.where(labels[60:139, 58:62, 52:56] == 0, 1, labels[60:139, 58:62, 52:56])
    found = canonicalise(labels, affine, HEART, reference())
    assert set(found.outside_ml) == {"Ao"} and 2 < found.outside_ml["Ao"] < 10


def test_a_reference_survives_its_file_form() -> None:
    again = Reference.from_tensors(reference().tensors())
    assert np.array_equal(again.centroids, reference().centroids) and again.cases == reference().cases
    assert np.abs(again.maps - reference().maps).max() < 1e-3
    with pytest.raises(InputError, match=r"reference\.maps"):
        Reference.from_tensors({k: v for k, v in reference().tensors().items() if k != "reference.maps"})


def test_tissues_in_contact_differ_in_the_image_that_is_registered() -> None:
    assert contrasts_of(HEART) == {"Ao": 0.0, "Myo": 0.6, "LV": 1.0, "RV": -1.0, "LA": -1.0, "RA": 1.0}


def test_reading_a_reference_needs_numpy_alone() -> None:
    code = ("import sys, DiffusionSiblingsLib.cohorts.dataset_file\n"
            "print({'SimpleITK', 'scipy', 'torch', 'skimage'} & set(sys.modules))")
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_real_heart_gives_one_map_from_twenty_poses_and_grids(shared_data: Path) -> None:
    anatomy: Anatomy = HEART
    heart = read_labelmap(shared_data / "hearts/real/toronto_normal.nii.gz", anatomy)
    mean = read_labelmap(shared_data / "hearts/real/rodero_mean.nii.gz", anatomy)
    start = starting_reference(mean.labels, mean.affine, anatomy)
    pose = build_reference([(mean.labels, mean.affine)], anatomy, start)
    source = heart.labels.astype(np.uint8)
    seven = CanonicalFrame((source.shape[0], source.shape[1], source.shape[2]), 1.4)
    hard = np.stack([source == value for value in range(7)]).astype(np.float32)
    rng = np.random.default_rng(1)
    maps = []
    for count in range(20):
        spacing = rng.uniform(1.1, 2.0, 3) if count % 2 else np.full(3, rng.uniform(1.1, 2.0))
        world = random_pose(rng)
        affine, size = grid_around(rng, world, spacing, half=88)
        # The source grid about the pose: a rigid motion of the heart onto a new grid, by its probabilities.
        twin = to_twin(hard, world, seven, affine, size, np.ones(size, bool)).labels
        began = time.process_time()
        maps.append(canonicalise(twin, affine, anatomy, pose, cut_limit=0.2).labels)
        assert time.process_time() - began < 3
    lowest = lowest_pairwise_dice(maps, anatomy)
    print("lowest pairwise Dice of 20 poses:", {k: round(v, 4) for k, v in lowest.items()})
    assert min(lowest.values()) >= 0.95, lowest
