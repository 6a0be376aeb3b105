"""The 12 checks agree with an independent implementation."""

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
from DiffusionSiblingsLib.metrics.overlap import dice
from DiffusionSiblingsLib.metrics.topology import TopologyReport, check, check_both

HEART = load_anatomy("heart")
NAMES = [
    *[f"{tissue} one component" for tissue in ("Myo", "LV", "RV", "LA", "RA")],
    *[f"{pair} contact" for pair in ("LV-Ao", "LV-Myo", "LV-LA", "RV-Myo", "RV-RA")],
    *[f"{pair} no contact" for pair in ("LV-RV", "LA-RA")],
]
RANK = {6: 1, 18: 2, 26: 3}


def independent(labels, subsample, tissue_connectivity, contact_connectivity):
    """The checks with scipy.ndimage: labelled components, contacts by dilation."""
    labels = labels[::subsample, ::subsample, ::subsample]
    grown = ndimage.generate_binary_structure(3, RANK[contact_connectivity])
    structure = ndimage.generate_binary_structure(3, RANK[tissue_connectivity])
    mask = {tissue.id: labels == tissue.label for tissue in HEART.tissues}
    found = {}
    for name in NAMES:
        what, _, kind = name.partition(" ")
        if kind == "one component":
            found[name] = ndimage.label(mask[what], structure)[1] == 1
        else:
            first, second = what.split("-")
            touch = bool((ndimage.binary_dilation(mask[first], grown) & mask[second]).any())
            found[name] = touch if kind == "contact" else not touch
    return found


@settings(max_examples=120, deadline=None)
@given(
    arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(0, 8), fill=st.integers(0, 6)),
    st.sampled_from([1, 2]),
    st.sampled_from([6, 18, 26]),
    st.sampled_from([6, 18, 26]),
)
def test_agrees_with_scipy_on_random_maps(labels, subsample, tissue, contact):
    report = check(labels, HEART, subsample=subsample, tissue_connectivity=tissue, contact_connectivity=contact)
    assert report.checks == independent(labels, subsample, tissue, contact)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.8, 3.0))
def test_agrees_with_scipy_on_random_blobs(seed, smooth):
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.normal(size=(14, 15, 16)), smooth) for _ in range(7)]
    labels = np.argmax(fields, axis=0).astype(np.int16)
    for subsample in (1, 2):
        assert check(labels, HEART, subsample=subsample).checks == independent(labels, subsample, 26, 6)


def test_real_hearts_agree_with_scipy(shared_data):
    for name in ("toronto_normal", "rodero_ct_14"):
        labels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(shared_data / f"hearts/real/{name}.nii.gz")))
        for subsample, report in zip((1, 2), check_both(labels, HEART).values(), strict=True):
            assert report.checks == independent(labels, subsample, 26, 6)


def test_names_order_and_percent():
    report = check(np.zeros((3, 3, 3), np.uint8), HEART)
    assert list(report.checks) == NAMES
    assert report.failed == tuple(NAMES[:10])  # nothing there: only the forbidden contacts pass
    assert report.violation_percent == pytest.approx(1000 / 12)
    assert TopologyReport(dict.fromkeys(NAMES, True) | {NAMES[0]: False}).violation_percent == pytest.approx(100 / 12)


def test_report_is_json():
    labels = np.random.default_rng(3).integers(0, 7, (5, 5, 5)).astype(np.uint8)
    for report in check_both(labels, HEART).values():
        again = json.loads(json.dumps(report.to_json()))
        assert again["checks"] == report.checks and again["failed"] == list(report.failed)


def test_absent_tissue_fails_its_component_and_its_contacts():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[1] = 3
    report = check(labels, HEART)
    assert report.checks["LV one component"] and not report.checks["RA one component"]
    assert not report.checks["RV-RA contact"] and report.checks["LA-RA no contact"]
    assert report.components == {"Ao": 0, "Myo": 0, "LV": 1, "RV": 0, "LA": 0, "RA": 0}


def test_connectivities_are_settings():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1, 1, 1] = labels[2, 2, 2] = 3
    labels[1, 2, 2] = 4  # shares an edge with the first, a face with the second
    assert check(labels, HEART).components["LV"] == 1
    assert check(labels, HEART, tissue_connectivity=18).components["LV"] == 2
    labels[2, 2, 2] = 0
    assert check(labels, HEART).checks["LV-RV no contact"]
    assert not check(labels, HEART, contact_connectivity=18).checks["LV-RV no contact"]


def test_half_resolution_skips_odd_voxels():
    labels = np.zeros((4, 4, 9), np.uint8)
    labels[:, :, :3], labels[:, :, 3], labels[:, :, 4:] = 5, 0, 6  # one voxel of wall, at an odd place
    both = check_both(labels, HEART)
    assert both["full"].checks["LA-RA no contact"] and not both["half"].checks["LA-RA no contact"]


def test_unknown_values_are_background():
    labels = np.full((3, 3, 6), 99, np.int32)
    labels[:, :, 2], labels[:, :, 3] = 3, -4
    report = check(labels, HEART)
    assert report.components["LV"] == 1 and sum(report.components.values()) == 1


@pytest.mark.parametrize("wrong", [{"tissue_connectivity": 8}, {"contact_connectivity": 4}, {"subsample": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(InputError):
        check(np.ones((3, 3, 3), np.uint8), HEART, **wrong)


def test_dice():
    a, b = np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8)
    a[0], b[0, :2] = 3, 3
    assert dice(a, b, {"LV": 3, "RV": 4}) == {"LV": pytest.approx(2 * 8 / 24), "RV": 1.0}
    assert dice(a, a, {"LV": 3}) == {"LV": 1.0}
    with pytest.raises(InputError, match="same grid"):
        dice(a, b[:1], {"LV": 3})
