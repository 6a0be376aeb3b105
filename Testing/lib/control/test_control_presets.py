"""Domains lie where they are meant to: around tissues, across tubes, at valves and through walls of real hearts too."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from DiffusionSiblingsLib.control.builders import around_tissue
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.measure import measure, measured_weights, sample
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.preset_file import preset_help
from DiffusionSiblingsLib.control.presets import PRESETS, _recipes, hold, preset
from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.metrics.morphology import tissue_volumes

HEART = load_anatomy("heart")
REAL = ("toronto_normal", "rodero_ct_13")


def placed(labels, affine, pose):
    """A registered heart. pose: (4, 4), canonical mm -> mm of the heart."""
    return Placement(labels, affine, "world", pose, HEART)


@pytest.fixture(scope="module", params=REAL)
def real(request, shared_data):
    """A real heart: labels, affine."""
    labelmap = read_labelmap(shared_data / f"hearts/real/{request.param}.nii.gz", HEART)
    return known_labels(labelmap, HEART), labelmap.affine


def test_every_preset_fits_a_drawn_heart_and_a_file(heart):
    labels, affine, pose = heart
    assert dict(PRESETS) == preset_help() and len(PRESETS) == 18
    for name, help_text in PRESETS.items():
        if name in ("mitral-valve", "aortic-valve", "aortic-trunk"):  # whose valves this heart has not: below
            continue
        control = preset(name, placed(labels, affine, pose))
        assert help_text and (control.terms or control.measures)
        assert control.frame == "world" and control.name.startswith(name)
        measured = {d.name: measure(labels, affine, d, HEART) for d in control.domains}
        asked = control.resolve(measured)
        assert len(asked) == len(control.terms)
        assert Control.from_json(json.loads(json.dumps(control.to_json()))) == control
        canonical = control.moved(np.linalg.inv(pose), "canonical")
        assert all(d.is_aligned() for d in canonical.domains if d.dimension == 3)


@pytest.mark.parametrize(("name", "names"), [
    ("mitral-valve", ["mitral annulus area"]), ("aortic-valve", ["aortic annulus area"]),
    ("aortic-trunk", ["Ao sinus diameter"]), ("myo-wall", ["LV wall median thickness"])])
def test_presets_of_measures_follow_the_heart(name, names):
    twin = read_labelmap(resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd", HEART)
    heart = Placement.of_map(known_labels(twin, HEART), twin.affine, HEART)
    control = preset(name, heart, 0.1)
    assert [term.label for term in control.measures][: len(names)] == names and not control.domains
    assert {term.target.times for term in control.measures} == {1.1}


def test_a_preset_of_a_valve_that_is_drawn_closed_is_refused(heart):
    labels, affine, _ = heart
    apart = np.where(labels == HEART.label_of("LA"), 0, labels)
    with pytest.raises(InputError, match="finds nothing to change"):
        preset("mitral-valve", Placement.of_map(apart, affine, HEART))


def test_presets_scale_with_the_amount(heart):
    labels, affine, _ = heart
    for name, amount, factor in (("enlarge-rv", 0.2, 1.2), ("shrink-la", 0.3, 0.7), ("mitral-valve-fixed", 0.1, 1.1)):
        control = preset(name, Placement.of_map(labels, affine, HEART), amount)
        measured = {d.name: measure(labels, affine, d, HEART) for d in control.domains}
        target = control.resolve(measured)[0]
        assert target.value == pytest.approx(factor * target.before)
    thick = preset("thicken-myo", Placement.of_map(labels, affine, HEART), 0.2)
    assert {t.domain: t.target.times for t in thick.terms} == {"LV": 1.0, "Myo": 1.2}
    for bad in (-0.1, 20, float("nan"), "much", None):
        with pytest.raises(InputError, match="amount"):
            preset("enlarge-rv", Placement.of_map(labels, affine, HEART), bad)
    with pytest.raises(InputError, match="less than 1"):
        preset("shrink-rv", Placement.of_map(labels, affine, HEART), 1.0)
    with pytest.raises(InputError, match="enlarge-lv"):
        preset("enlarge-pv", Placement.of_map(labels, affine, HEART))
    with pytest.raises(InputError, match="no such preset"):
        preset("enlarge-lv", Placement.of_map(labels, affine, replace(HEART, id="liver")))


def test_presets_of_a_canonical_map_are_in_the_canonical_frame(heart):
    labels, affine, pose = heart
    world = preset("enlarge-rv", placed(labels, affine, pose))
    inner = np.linalg.inv(pose)
    canonical = preset("enlarge-rv", Placement(labels, inner @ affine, "canonical", np.eye(4), HEART))
    assert canonical.frame == "canonical" and canonical.domains[0].same_place(world.domains[0].moved(inner))
    assert hold("all", Placement(labels, inner @ affine, "canonical", np.eye(4), HEART)).frame == "canonical"


def test_holding_keeps_volumes_beside_what_is_changed(heart):
    labels, affine, _ = heart
    grow = preset("enlarge-rv", Placement.of_map(labels, affine, HEART))
    rest = hold([tissue for tissue in HEART.ids if tissue != "RV"], Placement.of_map(labels, affine, HEART))
    both = grow.merged(rest)
    measured = {d.name: measure(labels, affine, d, HEART) for d in both.domains}
    asked = both.resolve(measured)
    assert sorted(a.domain for a in asked) == ["Ao", "LA", "LV", "Myo", "RA", "RV"]
    assert {a.domain: a.value / a.before for a in asked} == pytest.approx(
        {"RV": 1.2, "Ao": 1, "LA": 1, "LV": 1, "Myo": 1, "RA": 1})
    volumes = tissue_volumes(labels, affine, HEART)
    assert {a.domain: a.before for a in asked} == pytest.approx(volumes, rel=0.01)
    with pytest.raises(InputError, match="contradict"):
        clash = grow.merged(hold(["RV"], Placement.of_map(labels, affine, HEART)))
        clash.resolve({d.name: measure(labels, affine, d, HEART) for d in clash.domains})
    without = np.where(labels == HEART.label_of("Ao"), 0, labels)
    assert "Ao" not in hold("all", Placement.of_map(without, affine, HEART)).tissues
    for nothing in ([], "all"):
        with pytest.raises(InputError, match="nothing to hold"):
            hold(nothing, Placement.of_map(0 * labels, affine, HEART))


def test_presets_that_cannot_be_placed_say_so(heart):
    labels, affine, _ = heart
    apart = np.where(np.isin(labels, [HEART.label_of("LV")]), 0, labels)
    apart[2:4, 2:4, 2:4] = HEART.label_of("LV")
    with pytest.raises(InputError, match="do not touch"):
        preset("mitral-valve-fixed", Placement.of_map(apart, affine, HEART))
    with pytest.raises(InputError, match="septal wall"):
        preset("myo-wall-fixed", Placement.of_map(np.where(labels == HEART.label_of("Myo"), 0, labels), affine, HEART))
    with pytest.raises(InputError, match="none of the tissues"):
        preset("one-piece", Placement.of_map(0 * labels, affine, HEART))
    with pytest.raises(InputError, match="Left atrium"):
        preset("atria-separate", Placement.of_map(np.where(labels == HEART.label_of("LA"), 0, labels), affine, HEART))


def test_damaged_preset_files_are_refused(tmp_path, monkeypatch):
    (tmp_path / "Anatomies").mkdir()
    (tmp_path / "Presets").mkdir()
    monkeypatch.setenv("SIBLINGS_RESOURCES", str(tmp_path))
    for content in ("{", '{"schema": 2, "anatomy": "x", "presets": {}}', '{"schema": 1}',
                    '{"schema": 1, "anatomy": "x", "presets": {"a": {"help": "", "kind": "magic"}}}'):
        (tmp_path / "Presets" / "x.json").write_text(content, encoding="utf-8")
        _recipes.cache_clear()
        with pytest.raises(InputError, match="cannot be read"):
            preset_help("x")
    _recipes.cache_clear()


def test_real_aortas_are_cut_squarely(real):
    labels, affine = real
    planes = preset("aortic-trunk-fixed", Placement.of_map(labels, affine, HEART)).domains
    assert len(planes) == 5
    ao, lv = (measure(labels, affine, around_tissue(labels, affine, HEART, [t]), HEART).centroid for t in ("Ao", "LV"))
    ways = [np.linalg.norm(np.array(plane.centre) - lv) for plane in planes]
    assert ways[0] < np.linalg.norm(np.array(ao) - lv) < ways[-1]  # from the valve outwards
    for plane in planes[1:4]:
        found = measure(labels, affine, plane, HEART)
        assert np.linalg.norm(np.array(found.centroid) - plane.centre) < 3.0
        assert found.shape[0] < 0.6 and 300 < found.mass < 1500  # round, mm^2
        # Square: an area grows by 1 / cos when its plane is tilted. Both ways, so that a cone does not matter.
        for axis in (0, 1):
            tilted = [area_through_centre(labels, affine, tilt(plane, axis, angle)) for angle in (-20, 20)]
            assert np.mean(tilted) > 1.02 * area_through_centre(labels, affine, plane)


def tilt(plane, axis, degrees):
    """The plane turned about one of its own axes."""
    angle, rows = np.radians(degrees), np.array(plane.axes)
    other = 1 - axis
    turned = rows.copy()
    turned[other] = np.cos(angle) * rows[other] + np.sin(angle) * rows[2]
    turned[2] = np.cos(angle) * rows[2] - np.sin(angle) * rows[other]
    return replace(plane, axes=turned)


def area_through_centre(labels, affine, plane):
    """mm^2 of the piece nearest to the plane's centre."""
    from scipy import ndimage

    inside = sample(labels, affine, plane, HEART) >= 0.5
    pieces, _ = ndimage.label(inside)
    place = np.argwhere(inside) - (np.array(plane.template) - 1) / 2
    nearest = tuple(np.argwhere(inside)[np.linalg.norm(place, axis=1).argmin()])
    return measured_weights((pieces == pieces[nearest]).astype(float), plane).mass


def test_the_mitral_plane_of_real_hearts_has_the_atrium_on_one_side_and_the_ventricle_on_the_other(real):
    labels, affine = real
    plane = preset("mitral-valve-fixed", Placement.of_map(labels, affine, HEART)).domains[0]
    assert 400 < measure(labels, affine, plane, HEART).mass < 1500  # mm^2
    disc = np.linalg.norm(plane.points()[:, :, 0] - plane.centre, axis=-1) < 8
    for way, tissue in ((8, "LA"), (-8, "LV")):
        moved = replace(plane, centre=np.array(plane.centre) + way * np.array(plane.axes[2]), tissues=(tissue,))
        assert sample(labels, affine, moved, HEART)[disc, 0].mean() > 0.75


def test_the_lines_of_real_hearts_cross_the_wall_once(real):
    labels, affine = real
    control = preset("myo-wall-fixed", Placement.of_map(labels, affine, HEART))
    assert [d.name for d in control.domains] == ["septal wall", "anterior wall", "lateral wall", "inferior wall"]
    middle = np.array(measure(labels, affine, around_tissue(labels, affine, HEART, ["LV"]), HEART).centroid)
    atrium = np.array(measure(labels, affine, around_tissue(labels, affine, HEART, ["LA"]), HEART).centroid)
    for line in control.domains:
        wall = sample(labels, affine, line, HEART)[:, 0, 0]
        assert 5 < measure(labels, affine, line, HEART).mass < 20 and wall[0] < 0.5 and wall[-1] < 0.5
        way = np.array(line.axes[0])
        assert abs(way @ (atrium - middle)) < 0.01 * np.linalg.norm(atrium - middle)
        off = np.array(line.centre) - middle
        assert np.linalg.norm(off - (off @ way) * way) < 0.5  # it radiates from the centroid
        centre = float((wall * line.offsets()[0]).sum() / wall.sum())
        assert abs(centre) < 6  # the wall is in the middle of its line
    septal = replace(control.domains[0], tissues=("RV",))
    assert sample(labels, affine, septal, HEART)[-1, 0, 0] > 0.5
    anterior = np.array(control.domains[1].axes[0])
    assert anterior[1] > 0 and anterior[2] > 0  # RAS: towards the front and the head
