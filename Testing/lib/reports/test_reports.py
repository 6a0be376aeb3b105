"""Reports on cohorts: every file is there, the numbers are those of the comparison, and a browser shows the page."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pages import assert_self_contained, one_line, opened, text_of
from small_cohorts import PARTS, coarse_anatomy, small_cohort, small_heart

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.cohorts.compare_cohorts import compare_cohorts
from DiffusionSiblingsLib.cohorts.comparison_result import Comparison, Figure
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.postprocess import canonical_labelmap
from DiffusionSiblingsLib.editing.target_rows import target_rows
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, key_of, tissue_key
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsLib.reports import overview_layout as sheet
from DiffusionSiblingsLib.reports.cohort_facts import CohortFacts, distance_rows, ordinary_to_unusual, share_of
from DiffusionSiblingsLib.reports.cohort_page import model_facts, targets_facts
from DiffusionSiblingsLib.reports.cohort_report import cohort_report, model_of
from DiffusionSiblingsLib.reports.comparison import named_apart, volume_pairs, write_comparison
from DiffusionSiblingsLib.reports.comparison_page import answer
from DiffusionSiblingsLib.reports.metric_meanings import MEANINGS, better, reading
from DiffusionSiblingsLib.reports.metric_table import meter, metric_groups
from DiffusionSiblingsLib.reports.page import rendered
from DiffusionSiblingsLib.reports.training_distance_parts import LISTED, distance_facts

QUESTION = "Does a ring of 30 mm & more <fit>?"


WALL = MeasurementKey("median thickness", "LV wall", "mm")  # shown first
APEX = MeasurementKey("thickness AHA 17 apex", "LV wall", "mm")  # in files alone


def named(count: int) -> dict[MeasurementKey, np.ndarray]:
    """Measures of members, of which the first has none."""
    return {key: np.r_[np.nan, np.linspace(5, 9, count - 1)] for key in (WALL, APEX)}


@pytest.fixture(scope="module")
def cohorts():
    real, made = small_cohort("hearts", 12), small_cohort("made", 10, seed=1, larger=1.05, spread=0.04)
    return replace(real, named=named(12)), replace(made, named=named(10))


@pytest.fixture(scope="module")
def comparison(cohorts) -> Comparison:
    return compare_cohorts(*cohorts, emd=False, draws=20, jobs=1)


@pytest.fixture(scope="module")
def compared(tmp_path_factory, cohorts, comparison) -> Path:
    return write_comparison(tmp_path_factory.mktemp("compared"), comparison, *cohorts, question=QUESTION)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_comparison_writes_tables_pictures_volumes_and_one_page(compared, cohorts, comparison):
    folder = compared.parent
    assert_self_contained(compared)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert {path.name for path in folder.iterdir()} == {*report["files"], "report.html"}
    assert report["question"] == QUESTION and report["real"]["members"] == 12
    assert Comparison.from_json(report["comparison"]).figures == comparison.figures
    figures = {row["figure"]: row for row in rows_of(folder / "figures.csv")}
    assert float(figures["FMD"]["value"]) == pytest.approx(comparison.figure("FMD").value, rel=1e-5)
    members = rows_of(folder / "members.csv")
    assert len(members) == 22
    assert float(members[12]["LV volume [ml]"]) == pytest.approx(cohorts[1].column(tissue_key("LV"))[0], rel=1e-5)


def test_the_page_says_what_each_figure_means_and_its_trap(compared, comparison):
    text = one_line(text_of(compared))
    assert "Does a ring of 30\u202fmm &amp; more &lt;fit&gt;?" in text
    for figure in comparison.figures:
        assert MEANINGS[figure.name].title in text
    assert text.count("Trap:") == len(comparison.figures)
    assert "Few hearts." in text and "--no-emd" in text


def test_measures_by_name_are_in_the_tables_and_the_first_of_them_on_the_page(compared):
    rows = {row["measure"]: row for row in rows_of(compared.parent / "measures.csv")}
    assert set(rows) == {WALL.title, APEX.title}
    assert (rows[APEX.title]["real found"], rows[APEX.title]["synthetic found"]) == ("11", "9")
    members = rows_of(compared.parent / "members.csv")
    assert (members[0][WALL.title], members[1][WALL.title]) == ("", "5")
    text = one_line(text_of(compared))
    assert WALL.title in text and APEX.title not in text and "7.00 (5.20 to 8.80)" in text


def test_a_browser_shows_the_report_in_silence(compared, tmp_path):
    _, asked, said = opened(compared, tmp_path)
    assert (asked, said) == ([], [])


def test_every_figure_of_the_papers_has_a_meaning_and_a_trap():
    names = {"precision", "recall", "FMD", "TV half", "TV full"}
    names |= {f"{figure}-{kind}" for figure in ("MMD", "COV", "1-NNA") for kind in ("CD", "EMD")}
    assert set(MEANINGS) == names
    assert all(meaning.means and meaning.trap for meaning in MEANINGS.values())


@pytest.mark.parametrize(("figure", "way", "words"), [
    (Figure("1-NNA-CD", 55.0, 45.0, 60.0, "%", 50.0), "50.0 %", "chance level: not told apart"),
    (Figure("1-NNA-CD", 70.0, 62.0, 80.0, "%", 50.0), "50.0 %", "told apart"),
    (Figure("1-NNA-CD", 30.0, 25.0, 40.0, "%", 50.0), "50.0 %", "below chance: look for near-copies"),
    (Figure("FMD", 1.2, 0.8, 2.0, "", "low", 1.0), "lower", "at the floor"),
    (Figure("FMD", 3.0, 2.0, 4.0, "", "low", 1.0), "lower", "3.0 x the floor"),
    (Figure("precision", 0.9, 0.8, 1.0, "", "high"), "higher", ""),
    (Figure("precision", 0.8, 0.7, 0.9, "", "high", 0.89), "higher", "as two samples of one kind"),
    (Figure("recall", 0.5, 0.4, 0.6, "", "high", 0.89), "higher", "below two samples of one kind"),
    (Figure("recall", 0.5, float("nan"), float("nan"), "", "high", 0.89), "higher", ""),
    (Figure("new", float("nan"), float("nan"), float("nan"), "", "low"), "lower", ""),
])
def test_a_figure_is_read_in_words(figure, way, words):
    assert (better(figure), reading(figure)) == (way, words)
    ((_, (row,)),) = metric_groups([figure])
    assert row.title == (MEANINGS[figure.name].title if figure.name in MEANINGS else figure.name)


def test_the_small_drawing_keeps_to_its_axis():
    wide = Figure("MMD-CD", 5.0, 1.0, 9.0, "x1000", "low", 2.0)
    drawn = meter(wide)
    assert [line.kind for line in drawn.lines] == ["axis", "range", "floor"]
    assert all(0 <= float(x) <= drawn.wide for line in drawn.lines for x in (line.x1, line.x2, drawn.value))
    assert "best" in [line.kind for line in meter(Figure("1-NNA-CD", 55.0, 45.0, 60.0, "%", 50.0)).lines]
    assert meter(Figure("FMD", float("nan"), 0.0, 0.0)) is None


def test_the_answer_names_sizes_and_figures(comparison):
    words = answer(comparison)
    assert words.startswith("10 synthetic hearts were compared with 12 real ones.")
    assert "times the" in words or "no more than" in words


def test_cohorts_of_one_name_are_told_apart_and_volumes_are_drawn_in_pairs(cohorts):
    real, _ = cohorts
    assert [part.name for part in named_apart(real, real)] == ["hearts (1)", "hearts (2)"]
    assert named_apart(*cohorts)[0] is real
    assert volume_pairs(real.feature_keys) == [(tissue_key("LV"), tissue_key("RV")),
                                                (tissue_key("LA"), tissue_key("RA"))]


@pytest.mark.parametrize(("count", "total", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0),
                                                             (81, 263, 0.2553, 0.3662)])
def test_shares_have_wilson_intervals(count, total, low, high):
    share, *interval = share_of(count, total)
    assert share == count / total
    assert interval == pytest.approx([low, high], abs=5e-4)
    assert np.isnan(share_of(0, 0)[0])


def test_the_contact_sheet_goes_from_ordinary_to_unusual_by_rule(cohorts):
    real, _ = cohorts
    chosen = ordinary_to_unusual(real, 5)
    scaled = (real.features - real.features.mean(axis=0)) / real.features.std(axis=0)
    away = np.linalg.norm(scaled, axis=1)
    assert len(chosen) == 5 and chosen[0] == away.argmin() and chosen[-1] == away.argmax()
    assert sorted(ordinary_to_unusual(real, 99)) == list(range(12))


def target(quantity: str, asked: object, achieved: object, error: float | None, unit: str = "ml") -> dict[str, object]:
    """A target of the left ventricle in a record, reached within 0.01."""
    return {"domain": "LV", "quantity": quantity, "unit": unit, "before": None, "asked": asked, "achieved": achieved,
            "error": error, "tolerance": 0.01, "reached": error is not None and error <= 0.01}


GUIDANCE = [[target("mass", 100.0, 100.0, 0.0), target("betti", [1, None, 0], None, None, "")],
            [target("mass", 120.0, 114.0, 0.05), target("betti", [1, None, 0], [1, 0, 0], 0.0, "")],
            [target("mass", 110.0, 111.1, 0.01)]]


CAVITIES = [{"kind": "cavity", "what": "Myo", "voxels": 277, "inherited": inherited,
             "reason": "0.76 ml, more than the 0.2 ml to be filled"} for inherited in (None, False, True)]


def write_run(folder: Path, count: int, twin: dict[str, object] | None = None) -> None:
    """The record of a run with a gate, as `siblings generate --gate` leaves it; with a twin, of guided siblings."""
    folder.mkdir()
    entries = [{"file": f"made_{n:03d}.nii.gz", "k": n, "raw_checks": {"half": {"failed": ["x"] if n == 2 else []}},
                "repair": {"changed_voxels": 7 if n < 3 else 0, "left": CAVITIES[n : n + 1]},
                "gate": {"accepted": True}} for n in range(count)]
    rejected = [{"file": None, "k": count + n, "rejected": ["two pieces"], "gate": {"failed": ["components"]},
                 "features": {"LV volume [ml]": 300.0 + n}} for n in range(3)]
    for entry, guidance in zip(entries, GUIDANCE, strict=False) if twin is not None else ():
        entry["guidance"] = guidance
    run = {"request": {"edit": "generate", "count": count, "seed": 5, "steps": 50}, "siblings": entries,
           "rejected": rejected}
    card = find_model()
    (folder / "record.json").write_text(json.dumps(
        {"schema": 1, "program": {}, "created": "2026-01-01T00:00:00+00:00", "complete": True, "twin": twin,
         "model": {"id": card.id, "version": card.version, "sha256": card.sha256},
         "compute": {"device": "cpu", "dtype": "float32"}, "runs": [run]}))


@pytest.fixture(scope="module")
def reported(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("reported")
    write_run(base / "run", 6)
    cohort = replace(small_cohort("made", 6, folder=base / "run"), named=named(6))
    with pytest.MonkeyPatch.context() as patch:  # a small contact sheet: as much of the code, a tenth of the time
        patch.setattr(sheet, "TILE", 90)
        patch.setattr("DiffusionSiblingsLib.reports.cohort_report.SHEET", 3)
        return cohort_report(base / "report", cohort, find_model(), question=QUESTION, occupancy=False)


def test_a_cohorts_report_tells_how_it_was_made_and_what_was_rejected(reported):
    assert_self_contained(reported)
    report = json.loads((reported.parent / "report.json").read_text(encoding="utf-8"))
    assert {path.name for path in reported.parent.iterdir()} == {*report["files"], "report.html"}
    assert report["gate"]["reasons"] == {"components": 3}
    assert report["gate"]["acceptance"] == pytest.approx(6 / 9)
    assert report["run"]["edits"][0]["Seed"] == 5
    text = one_line(text_of(reported))
    for words in ("Of 9 hearts that were drawn, 3 were rejected", "Before repair 1 failed a check; 3 had voxels",
                  "2 of 6 maps have background that one tissue encloses", "made_000, made_001.",
                  "Drawn from a shape model of 15 adults", "No context of use was given", "training hearts"):
        assert words in text, words


def test_a_report_has_measures_by_name_of_the_members_that_have_them(reported):
    report = json.loads((reported.parent / "report.json").read_text(encoding="utf-8"))
    assert [row["measure"] for row in report["measures"]] == [WALL.title, APEX.title]
    assert (report["measures"][0]["found"], report["measures"][0]["greatest"]) == (5, 9.0)
    assert len(rows_of(reported.parent / "measures.csv")) == 2
    text = one_line(text_of(reported))
    assert WALL.title in text and APEX.title not in text and "5.00 to 9.00" in text


def test_the_acceptance_rate_is_of_all_that_were_drawn_however_many_are_measured(tmp_path):
    write_run(tmp_path / "run", 6)
    facts = CohortFacts.of(small_cohort("made", 3, folder=tmp_path / "run", anatomy=coarse_anatomy(24)), find_model())
    assert (facts.drawn, facts.acceptance()[0]) == (9, pytest.approx(6 / 9))


@pytest.fixture(scope="module")
def of_a_twin(tmp_path_factory) -> CohortFacts:
    """Four siblings of a heart with a vast left ventricle, three of them guided."""
    folder, anatomy = tmp_path_factory.mktemp("of_a_twin") / "run", coarse_anatomy(24)
    heart = small_cohort("twin", 1, anatomy=anatomy)
    features = {key.title: float(heart.column(key)[0]) for key in heart.feature_keys} | {"LV volume [ml]": 600.0}
    volumes = dict(zip(anatomy.ids, map(float, heart.volumes[0]), strict=True))
    write_run(folder, 4, {"file": "twin.nrrd", "features": features, "volumes_ml": volumes})
    return CohortFacts.of(small_cohort("made", 4, folder=folder, anatomy=anatomy), find_model())


def test_the_bias_of_the_twin_stands_beside_that_of_its_siblings(of_a_twin):
    rows = {row["measurement"]: row for row in distance_rows(of_a_twin)}
    assert (rows["LV volume [ml]"]["twin"], rows["LV volume [ml]"]["twin percentile"]) == (600.0, 100.0)
    for row in rows.values():
        found = [lies.percentiles[key_of(row["measurement"])] for lies in of_a_twin.distances]
        assert [row["percentile 5 %"], row["percentile 95 %"]] == pytest.approx(np.percentile(found, [5, 95]))
    text = one_line(rendered("training_distance.html.j2", distance=distance_facts(of_a_twin),
                             model=model_facts(of_a_twin), listed=LISTED))
    assert "The twin." in text
    assert "It lies outside the range of the training hearts in these measurements: LV volume [ml]" in text
    assert "Its percentile" in text and "Drift to the mean" in text


def test_targets_are_told_as_asked_and_reached(of_a_twin):
    mass, betti = target_rows(of_a_twin.entries)
    assert mass == {"target": "LV volume", "place": "fixed", "members": 3,
                    "asked": "100 to 120 ml", "achieved": "111.1 ml",
                    "tolerance": "1.0 %", "median error": "1.0 %", "worst error": "5.0 %", "fidelity": "L1 2.37 ml",
                    "not reached": 1}
    assert (betti["asked"], betti["achieved"], betti["worst error"], betti["not reached"]) == ("1 - 0", "", "0", 1)
    text = one_line(rendered("targets.html.j2", targets=targets_facts([mass, betti], of_a_twin)))
    assert "1 of 3 guided members reached all of their targets" in text and "100 to 120" in text
    assert target_rows([{}, {"guidance": []}]) == []


def test_bias_is_told_for_every_measurement_of_the_training_hearts(reported):
    rows = rows_of(reported.parent / "training_distance.csv")
    assert "LV volume [ml]" in {row["measurement"] for row in rows}
    assert all(0 <= float(row["median percentile"]) <= 100 for row in rows)
    members = rows_of(reported.parent / "members.csv")
    assert "outside the training range" in members[0]


def test_the_model_that_made_a_run_is_told_of(tmp_path):
    write_run(tmp_path / "run", 1)
    assert model_of(tmp_path / "run").sha256 == model_of(tmp_path).sha256 == find_model().sha256


def test_a_folder_without_a_record_is_reported_as_what_it_is(tmp_path):
    cohort = small_cohort("found", 4, folder=tmp_path)
    facts = CohortFacts.of(cohort, find_model())
    assert (facts.kind, facts.gated, facts.repaired(), facts.edits) == ("label maps", False, None, [])
    assert len(distance_rows(facts)) == len(facts.meter.columns) > len(facts.meter.keys)
    other = CohortFacts.of(small_cohort("small", 4, anatomy=coarse_anatomy(24)), find_model())
    assert np.isnan(other.acceptance()[0])


def test_a_report_says_nothing_of_how_unknown_maps_were_made_or_chosen(tmp_path):
    page = cohort_report(tmp_path / "out", small_cohort("found", 4, folder=tmp_path), find_model(), occupancy=False)
    text = one_line(text_of(page))
    assert "Nothing: no acceptance checks" not in text and "variants that a model finds likely" not in text
    assert "Not known: these maps come without a record" in text and "made or chosen" in text
    assert json.loads((page.parent / "report.json").read_text(encoding="utf-8"))["gate"]["acceptance"] is None


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Two folders of four small label maps each, and a file in one that is none."""
    base, anatomy, rng = tmp_path_factory.mktemp("maps"), load_anatomy(), np.random.default_rng(4)
    found = base / "hearts", base / "made"
    for folder in found:
        folder.mkdir()
        for n in range(4):
            labels = small_heart(anatomy, 1 + 0.06 * rng.standard_normal(len(PARTS)))
            write_labelmap(canonical_labelmap(labels, anatomy), folder / f"map_{n}.nii.gz", "nii.gz")
    (found[1] / "broken.nii.gz").write_bytes(b"no label map")
    return found


def test_compare_writes_its_report_from_the_command_line(folders, tmp_path, capsys):
    words = ["compare", "--real", str(folders[0]), "--synthetic", str(folders[1]), "--out", str(tmp_path / "out"),
             "--jobs", "1", "--no-emd", "--no-occupancy", "--synthetic-name", "Made ones"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "precision" in said.out and str(tmp_path / "out" / "report.html") in said.out
    assert "broken is left out" in said.err
    text = one_line(text_of(tmp_path / "out" / "report.html"))
    assert "Made ones against hearts" in text and "broken" in text


def test_compare_reads_each_cohort_with_its_own_numbering(folders, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (run / "record.json").write_text("{}")
    asked = {}

    def stopped(source, *_, labels, **__):
        asked[source] = labels
        if len(asked) == 2:
            raise InputError("enough")
        return SimpleNamespace(skipped={}, notes={})

    monkeypatch.setattr("DiffusionSiblingsLib.apps.cli.comparing.measure_cohort", stopped)
    for words, real, synthetic in (
            (["--labels", "LV=3"], {"LV": 3}, None),  # a run's record says its own
            (["--labels", "LV=3", "--real-labels", "LV=4"], {"LV": 4}, None),
            (["--labels", "LV=3", "--synthetic-labels", "LV=5"], {"LV": 3}, {"LV": 5})):
        asked.clear()
        assert main(["compare", "--real", str(folders[0]), "--synthetic", str(run), "--out", str(tmp_path / "out"),
                     *words]) == 2
        assert asked == {folders[0]: real, run: synthetic}
        assert ("is read with the labels in its record" in capsys.readouterr().err) == (synthetic is None)


def test_report_prints_what_its_file_holds(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sheet, "TILE", 90)
    monkeypatch.setattr("DiffusionSiblingsLib.reports.cohort_report.SHEET", 2)
    assert main(["report", str(folders[0]), "--out", str(tmp_path), "--jobs", "1", "--question", QUESTION,
                 "--use", "bench tests", "--no-occupancy", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["cohort"]["kind"], report["cohort"]["members"]) == ("label maps", 4)
    assert "bench tests" in text_of(tmp_path / "report.html")


def test_what_is_not_there_is_said(tmp_path, capsys):
    assert main(["report", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "does not exist" in capsys.readouterr().err
