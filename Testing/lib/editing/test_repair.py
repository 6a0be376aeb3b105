"""Repair removes specks, cavities and forbidden contacts, counts them, and touches nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.repair.repair import repair
from DiffusionSiblingsLib.editing.repair.workspace import Settings
from DiffusionSiblingsLib.metrics.topology import check

HEART = load_anatomy("heart")
AO, MYO, LV, RV, LA, RA = range(1, 7)


def two_blocks(first, second, gap, width=8):
    """(8, 8, 2 * width + gap) uint8: two slabs that face each other across `gap` voxels of background."""
    labels = np.zeros((8, 8, 2 * width + gap), np.uint8)
    labels[..., :width], labels[..., width + gap :] = first, second
    return labels


def all_phases_pass(labels, name):
    """Whether a check passes on every voxel and on every second voxel wherever these start."""
    starts = [np.pad(labels, ((k, 0), (j, 0), (i, 0))) for k in (0, 1) for j in (0, 1) for i in (0, 1)]
    return check(labels, HEART).checks[name] and all(check(part, HEART, subsample=2).checks[name] for part in starts)


@pytest.mark.parametrize("gap", [0, 1])
@pytest.mark.parametrize(("pair", "wall"), [((LA, RA), 0), ((LV, RV), MYO)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_forbidden_contact_becomes_a_wall_of_two_voxels(gap, pair, wall, axis):
    before = np.moveaxis(two_blocks(*pair, gap), 2, axis)
    done = repair(before, HEART)
    name = "LA-RA" if wall == 0 else "LV-RV"
    assert all_phases_pass(done.labels, f"{name} no contact")
    taken = before != done.labels
    assert set(done.labels[taken]) == {wall}
    assert done.separated == {name: (2 - gap) * 64} and taken.sum() == done.changed_voxels == (2 - gap) * 64


def test_two_voxels_of_wall_are_enough():
    before = two_blocks(LA, RA, 2)
    assert np.array_equal(repair(before, HEART).labels, before)


def test_only_the_editable_side_makes_room():
    before = two_blocks(LA, RA, 0)
    editable = before == RA
    done = repair(before, HEART, editable=editable)
    assert np.array_equal(done.labels[~editable], before[~editable])
    assert all_phases_pass(done.labels, "LA-RA no contact")
    assert done.separated == {"LA-RA": 128} and done.left == ()


def test_contact_outside_the_editable_voxels_is_left_and_said():
    before = two_blocks(LA, RA, 0)
    done = repair(before, HEART, editable=np.zeros(before.shape, bool), reference=before)
    assert np.array_equal(done.labels, before) and done.changed_voxels == 0
    (left,) = done.left
    assert (left.kind, left.what, left.inherited) == ("contact", "LA-RA", True)
    other = np.where(before == RA, LA, before)
    assert repair(before, HEART, editable=np.zeros(before.shape, bool), reference=other).left[0].inherited is False


def test_a_tissue_of_one_voxel_survives_inside_another():
    labels = np.full((9, 9, 9), LV, np.uint8)
    labels[4, 4, 4] = RV
    done = repair(labels, HEART)
    assert (done.labels == RV).sum() == 1 and all_phases_pass(done.labels, "LV-RV no contact")


def test_speck_goes_to_the_majority_around_it():
    labels = np.zeros((12, 12, 24), np.uint8)
    labels[2:10, 2:10, 1:9], labels[2:10, 2:10, 9:23] = LV, MYO
    labels[5, 5, 15], labels[0, 0, 0] = LV, MYO  # inside the wall; in the open
    done = repair(labels, HEART)
    assert done.specks == {"LV": 1, "Myo": 1} and done.speck_voxels == 2
    assert done.labels[5, 5, 15] == MYO and done.labels[0, 0, 0] == 0
    assert done.changed_voxels == 2


def test_speck_is_not_given_where_it_would_make_a_forbidden_contact():
    labels = np.zeros((10, 10, 20), np.uint8)
    labels[..., :9], labels[..., 11:] = LA, RA
    labels[4:6, 4:6, 9] = MYO  # a speck in the wall: most of its neighbours are LA and background
    labels[0:4, 0:4, 19] = MYO
    done = repair(labels, HEART, settings=Settings(speck_fraction=0.5))
    assert (done.labels[..., 9:11] == 0).all()


def test_an_edit_of_one_tissue_lets_no_other_grow():
    """A speck of RV and a cavity inside the LA, repaired for an edit of the RV: neither becomes LA."""
    labels = np.zeros((20, 20, 30), np.uint8)
    labels[2:18, 2:18, 2:18], labels[2:18, 2:18, 20:28] = HEART.label_of("LA"), HEART.label_of("RV")
    labels[8, 8, 8], labels[12, 12, 12] = HEART.label_of("RV"), 0
    fixed = repair(labels, HEART, allowed=[HEART.label_of("RV")], editable=labels != HEART.label_of("LA"))
    assert (fixed.labels[8, 8, 8], fixed.labels[12, 12, 12]) == (0, 0)
    free = repair(labels, HEART, editable=labels != HEART.label_of("LA"))
    assert (free.labels[8, 8, 8], free.labels[12, 12, 12]) == (HEART.label_of("LA"),) * 2


def test_large_second_piece_is_left_and_said():
    labels = np.zeros((10, 10, 30), np.uint8)
    labels[2:8, 2:8, 2:14], labels[2:8, 2:8, 20:25] = LA, LA
    done = repair(labels, HEART)
    assert np.array_equal(done.labels, labels) and done.specks == {}
    (left,) = done.left
    assert (left.kind, left.what, left.voxels, left.inherited) == ("piece", "LA", 180, None)


@pytest.mark.parametrize("part", [slice(20, 22), slice(20, 21)])
def test_speck_with_a_fixed_voxel_stays_whole(part):
    labels = np.zeros((10, 10, 30), np.uint8)
    labels[2:8, 2:8, 2:14], labels[4, 4, 20:22] = LA, LA
    editable = np.ones(labels.shape, bool)
    editable[4, 4, part] = False
    done = repair(labels, HEART, editable=editable)
    assert np.array_equal(done.labels, labels) and done.left[0].reason == "outside the editable voxels"


def test_crumb_that_comes_apart_at_half_resolution_is_given_away():
    labels = np.zeros((20, 20, 40), np.uint8)
    labels[4:16, 4:16, 4:20] = RA
    labels[8, 8, 20:22] = labels[9, 9, 22:24] = RA  # on even, on odd, again on even places: (8, 8, 24) is cut off
    labels[8, 8, 24:26] = RA
    assert check(labels, HEART).components["RA"] == 1 and check(labels, HEART, subsample=2).components["RA"] == 2
    done = repair(labels, HEART)
    assert check(done.labels, HEART, subsample=2).components["RA"] == 1 and done.specks["RA"] >= 1
    assert done.changed_voxels <= 8 and set(done.labels[done.labels != labels]) == {0}
    editable = np.ones(labels.shape, bool)
    editable[8, 8, 24] = False
    assert np.array_equal(repair(labels, HEART, editable=editable).labels, labels)


def test_cavity_is_filled_up_to_its_size():
    labels = np.full((16, 16, 16), RV, np.uint8)
    labels[2:4, 2:4, 2:4], labels[8:13, 8:13, 8:13] = 0, 0
    done = repair(labels, HEART, voxel_volume_ml=0.01)
    assert done.cavities == {"RV": 1} and done.filled_voxels == 8
    (left,) = done.left
    assert (left.kind, left.what, left.voxels, left.inherited) == ("cavity", "RV", 125, None)
    assert left.reason == "1.25 ml, more than the 0.2 ml to be filled" and left.ras_mm is None
    affine = np.array([[-2.0, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]])
    (placed,) = repair(labels, HEART, voxel_volume_ml=0.01, affine=affine).left
    assert placed.ras_mm is not None
    at = np.rint(np.linalg.inv(affine) @ [*placed.ras_mm, 1])[2::-1].astype(int)
    assert labels[tuple(at)] == 0 and (labels[at[0], at[1], :at[2]] != 0).any() and (labels[at[0], at[1], at[2]:]).any()
    assert repair(labels, HEART, voxel_volume_ml=0.01, reference=labels).left[0].inherited
    assert repair(done.labels, HEART, voxel_volume_ml=0.01).left == done.left
    assert (done.labels[2:4, 2:4, 2:4] == RV).all() and (done.labels[8:13, 8:13, 8:13] == 0).all()


def test_cavity_between_two_tissues_or_open_to_the_edge_stays():
    labels = np.full((8, 8, 16), RV, np.uint8)
    labels[..., 8:] = RA
    labels[4, 4, 8] = labels[0, 4, 4] = 0
    done = repair(labels, HEART)
    assert np.array_equal(done.labels, labels) and not done.left


def test_missing_required_contact_is_not_made_up():
    labels = np.zeros((8, 8, 20), np.uint8)
    labels[..., :9], labels[..., 10:] = LV, AO
    assert np.array_equal(repair(labels, HEART).labels, labels)


def test_values_that_the_anatomy_does_not_know_never_change():
    labels = two_blocks(LA, RA, 0).astype(np.int32)
    labels[3:5, 3:5, 7:9], labels[0, 0, 0], labels[7, 7, 0] = 4000, -3, 255
    done = repair(labels, HEART)
    fixed = ~np.isin(labels, range(7))
    assert done.labels.dtype == labels.dtype and np.array_equal(done.labels[fixed], labels[fixed])


def test_empty_map_and_report_is_json():
    empty = repair(np.zeros((4, 4, 4), np.uint8), HEART)
    assert empty.changed_voxels == 0 and not empty.labels.any()
    done = repair(two_blocks(LV, RV, 1), HEART)
    assert json.loads(json.dumps(done.to_json()))["separated"] == {"LV-RV": 64}


def test_other_grids_are_refused():
    labels = two_blocks(LA, RA, 0)
    with pytest.raises(InputError, match="editable"):
        repair(labels, HEART, editable=np.ones((2, 2, 2), bool))
    with pytest.raises(InputError, match="reference"):
        repair(labels, HEART, reference=labels[1:])
    with pytest.raises(InputError):
        Settings(speck_fraction=0.9)


def require_sound(before, done, editable, options):
    """What holds for every repair."""
    after = done.labels
    assert np.array_equal(after[~editable], before[~editable])
    assert {*np.unique(before)} - {0} == {*np.unique(after)} - {0, MYO} | ({MYO} & {*np.unique(before)})
    assert done.changed_voxels == np.count_nonzero(after != before)
    again = repair(after, HEART, editable=editable, settings=options)
    assert np.array_equal(again.labels, after) and again.changed_voxels == 0
    assert [(left.kind, left.what, left.voxels) for left in again.left] == [
        (left.kind, left.what, left.voxels) for left in done.left
    ]
    for first, second in ("LV", "RV"), ("LA", "RA"):
        if not any(left.what == f"{first}-{second}" for left in done.left):
            assert all_phases_pass(after, f"{first}-{second} no contact")
    pieces = [left.what for left in done.left if left.kind == "piece"]
    counts = check(after, HEART, tissue_connectivity=options.tissue_connectivity).components
    assert {tissue: count - 1 for tissue, count in counts.items() if count > 1} == {
        tissue: pieces.count(tissue) for tissue in pieces
    }


@settings(max_examples=150)
@given(
    arrays(np.uint8, st.tuples(*[st.integers(1, 8)] * 3), elements=st.sampled_from([0, 1, 2, 3, 4, 5, 6, 9])),
    st.sampled_from([1.0, 0.8, 0.3]),
    st.sampled_from([Settings(), Settings(speck_fraction=0.5), Settings(0.5, 0.0, 18, 18), Settings(0.2, 1.0, 6, 26)]),
    st.integers(0, 1000),
)
def test_repair_is_sound_on_random_maps(labels, share, options, seed):
    editable = np.random.default_rng(seed).random(labels.shape) < share
    require_sound(labels, repair(labels, HEART, editable=editable, settings=options), editable, options)


@settings(max_examples=60)
@given(st.integers(0, 100_000), st.floats(0.6, 2.5), st.sampled_from([0.05, 0.3]))
def test_repair_is_sound_on_random_blobs(seed, smooth, fraction):
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.normal(size=(16, 18, 20)), smooth) for _ in range(7)]
    labels = np.argmax(fields, axis=0).astype(np.uint8)
    editable = ndimage.gaussian_filter(rng.normal(size=labels.shape), 3) > -0.02
    options = Settings(speck_fraction=fraction)
    require_sound(labels, repair(labels, HEART, editable=editable, settings=options), editable, options)


def test_real_heart_with_defects_is_repaired_to_pass_everything(shared_data):
    twin = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(shared_data / "hearts/real/rodero_ct_14.nii.gz")))
    spoiled = spoil(twin, np.random.default_rng(4))
    assert {"LV one component", "LA-RA no contact"} <= set(check(spoiled, HEART).failed)
    done = repair(spoiled, HEART, reference=twin)
    assert not check(done.labels, HEART).failed and not check(done.labels, HEART, subsample=2).failed
    fine = repair(ndimage.zoom(spoiled, 2, order=0), HEART, voxel_volume_ml=0.7**3 / 1000)
    assert not check(fine.labels, HEART).failed and not check(fine.labels, HEART, subsample=2).failed
    assert done.left == () and sum(done.specks.values()) >= 30
    assert done.changed_voxels < 0.02 * np.count_nonzero(twin)
    require_sound(spoiled, done, np.ones(twin.shape, bool), Settings())


def spoil(twin, rng):
    """A copy with 60 specks, 20 cavities and the interatrial wall dilated away."""
    labels = twin.copy()
    near_la, near_ra = (ndimage.binary_dilation(twin == value, iterations=2) for value in (LA, RA))
    wall = near_la & near_ra & (twin == 0)
    labels[wall] = np.where(ndimage.binary_dilation(twin == LA, iterations=1)[wall], LA, RA)
    for count, value in ((60, None), (20, 0)):
        places = rng.choice(np.argwhere(twin > 0), count)
        for k, j, i in places:
            size = rng.integers(1, 4, 3)
            labels[k : k + size[0], j : j + size[1], i : i + size[2]] = rng.integers(1, 7) if value is None else value
    return labels
