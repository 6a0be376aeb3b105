"""Figures of cohorts: drawn of anything that can be measured, the same every time, never by the user's settings."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from small_cohorts import coarse_anatomy, small_heart

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, tissue_key
from DiffusionSiblingsLib.metrics.occupancy import chance_of
from DiffusionSiblingsLib.reports.chart_style import COHORT, REFERENCE, Picture, kernel_density
from DiffusionSiblingsLib.reports.charts import Group, Mark, checks_chart, distributions, failures, scatter
from DiffusionSiblingsLib.reports.occupancy_slices import occupancy_slices
from DiffusionSiblingsLib.reports.reference_heart import OneHeart, Smoothed

KEYS = (tissue_key("LV"), tissue_key("RV"), MeasurementKey("length", "$odd_{name}$", "mm"))


def cohort(name: str, count: int, shift: float = 0.0, seed: int = 0) -> Group:
    rng = np.random.default_rng(seed)
    return Group(name, 100 + shift + 20 * rng.standard_normal((count, 3)), KEYS)


def share(picture: Picture, color: str, tolerance: int = 24) -> float:
    with Image.open(io.BytesIO(picture.data)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape[1::-1] == (2 * picture.width, 2 * picture.height)
    wanted = [int(color[n : n + 2], 16) for n in (1, 3, 5)]
    return float((np.abs(pixels - wanted).max(axis=-1) < tolerance).mean())


def test_a_scatter_shows_both_cohorts_with_words_for_who_cannot_see_it():
    found = scatter(cohort("Real", 80), [cohort("Made", 40, 10, 1)], *KEYS[:2], marks=[Mark("twin", {KEYS[0]: 90.0,
                    KEYS[1]: 120.0})], limits={KEYS[1]: 115.0})
    assert share(found, COHORT) > 5e-4 and share(found, REFERENCE) > 5e-4
    assert "Real (80)" in found.alt and KEYS[1].title in found.alt
    assert found.file_name == "scatter-LV-volume-RV-volume.png"


@pytest.mark.parametrize("reference", [None, cohort("Two", 2), Group("Same", np.full((9, 3), 4.0), KEYS),
                                       Group("Line", np.outer(np.arange(9.0), np.ones(3)), KEYS),
                                       Group("Holes", np.full((9, 3), np.nan), KEYS)])
def test_cohorts_without_spread_or_with_holes_are_drawn_all_the_same(reference):
    for count in (1, 300):
        assert scatter(reference, [cohort("Made", count)], *KEYS[:2]).data
    assert distributions(reference, [cohort("Made", 1), cohort("Third", 30)], marks=[Mark("twin", {})]).data


def test_nothing_to_draw_is_said_in_words():
    with pytest.raises(InputError, match="nothing to draw"):
        scatter(None, [Group("Holes", np.full((3, 3), np.nan), KEYS)], *KEYS[:2])
    with pytest.raises(InputError, match="cannot be drawn"):
        Group("Short", np.zeros((3, 2)), KEYS)


def test_figures_are_the_same_bytes_whatever_the_users_settings():
    import matplotlib

    for format in ("png", "svg"):
        first = distributions(cohort("Real", 30), [cohort("Made", 30, 5)], format=format)
        with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 20}):
            again = distributions(cohort("Real", 30), [cohort("Made", 30, 5)], format=format)
        assert first.data == again.data
        assert first.format == format


def test_density_regions_hold_their_share_of_a_gaussian():
    points = np.random.default_rng(0).standard_normal((2, 4000))
    own = kernel_density(points, points)
    inside = np.quantile(own, 0.5)
    radius = np.sqrt(2 * np.log(2))  # half of a standard normal in the plane lies within
    assert np.mean((own >= inside) == (np.hypot(*points) <= radius)) > 0.95
    assert kernel_density(points[:, :3], points) is None


@pytest.mark.parametrize("members", [3, 5, 6, 10, 12, 20, 31])
def test_equal_numbers_have_no_density_however_their_mean_is_rounded(members):
    values = np.full((1, members), 58.002669)
    assert kernel_density(values, values) is None
    varied = np.random.default_rng(0).normal(size=members)
    assert kernel_density(np.stack([varied, values[0]]), np.zeros((2, 1))) is None
    group = Group("edited", np.stack([varied, values[0]], axis=1), (tissue_key("RV"), tissue_key("LA")))
    assert distributions(None, [group]).data and scatter(group, [group], tissue_key("RV"), tissue_key("LA")).data


def test_a_cohort_whose_name_begins_with_a_line_below_is_in_the_legend(recwarn):
    group = Group("_plain", np.zeros((3, 1)), ("LV",))
    assert not group.title.startswith("_") and group.title.endswith("_plain (3)")
    assert distributions(None, [group]).data
    assert checks_chart(["whole"], {"_a": ([1], 2), "_b": ([0], 2)}).data
    assert not recwarn.list


def test_failures_are_counted_by_check_and_drawn():
    checks = ["LV one component", "LV-RV no contact"]
    assert failures(checks, [(), (checks[1],), tuple(checks)]) == ([1, 2], 3)
    chart = checks_chart(checks, {"Real": ([0, 0], 5), "Made": ([1, 2], 3)})
    assert share(chart, COHORT) > 0.01 and share(chart, REFERENCE, 8) < 0.01  # no failure, no bar: its key alone
    assert "3 failures in 3 maps" in chart.alt
    assert checks_chart(checks, {"Made": ([0, 0], 0)}).data


def test_slices_show_where_a_cohort_grew_and_where_it_shrank():
    anatomy = coarse_anatomy()
    plain = OneHeart(small_heart(anatomy, np.ones(6)), anatomy)
    larger = OneHeart(small_heart(anatomy, np.array([1, 1, 1.3, 1, 0.8, 1])), anatomy)  # RV larger, RA smaller
    same, changed = occupancy_slices(plain, plain, anatomy), occupancy_slices(plain, larger, anatomy)
    bar = share(same, COHORT, 60)  # of the colour bar alone
    assert share(changed, COHORT, 60) > 2 * bar and share(changed, REFERENCE, 60) > 1.2 * bar
    assert occupancy_slices(Smoothed(plain, 1.0), plain, anatomy, format="svg").data.startswith(b"<?xml")


def test_an_empty_cohort_has_slices_too():
    anatomy = coarse_anatomy(24)
    empty = OneHeart(np.zeros((24, 24, 24), np.uint8), anatomy)
    assert occupancy_slices(empty, empty, anatomy).data


def test_chance_alone_makes_differences_that_shrink_with_the_cohorts():
    rng = np.random.default_rng(3)
    differences = rng.binomial(50, 0.5, 20000) / 50 - rng.binomial(80, 0.5, 20000) / 80
    assert np.mean(np.abs(differences) <= chance_of(50, 80)) == pytest.approx(0.95, abs=0.015)
    assert chance_of(400, 400) < chance_of(50, 80) / 2
