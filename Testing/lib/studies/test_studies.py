"""Studies: conditions are made once and found again, seeds follow their rule, tables stand beside the papers'."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_conditions import SWAPPED, canonical_heart, make_fake, renumbered_run
from hearts import ANATOMY

from DiffusionSiblingsLib.cohorts.measured import MeasuredCohort, measure_cohort
from DiffusionSiblingsLib.cohorts.members import Member
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsLib.studies import settings as sizes
from DiffusionSiblingsLib.studies.augmentation import Augmenter
from DiffusionSiblingsLib.studies.conditions import Condition, Conditions
from DiffusionSiblingsLib.studies.context import StudyContext, names_in
from DiffusionSiblingsLib.studies.papers import findings, paper_table, paper_tables
from DiffusionSiblingsLib.studies.run import run_studies
from DiffusionSiblingsLib.studies.seed_choice import PLACES, choose_seeds, nearest
from DiffusionSiblingsLib.studies.seed_hearts import SeedHeart
from DiffusionSiblingsLib.studies.settings import QUICK, STUDIES, StudySettings
from DiffusionSiblingsLib.studies.tables import markdown
from DiffusionSiblingsLib.studies.twins import TwinSource

TINY = replace(QUICK, count=4, held=1, unconditional=6, pool=6, reference=6, reconstructed=2, ratios=(0.35, 1.0),
               step_counts=(5, 10), step_size=5, sizes=(5, 6), draws=3, accepted=4, most=6, percentile=50.0)


@pytest.fixture
def conditions(tmp_path: Path) -> tuple[Conditions, list[tuple[Request, ...]]]:
    """Conditions whose siblings are made without a model, and what was asked to be made."""
    asked: list[tuple[Request, ...]] = []

    def make(requests: list[Request], twin: LabelMap | None, out: Path) -> None:
        asked.append(tuple(requests))
        make_fake(requests, twin, out, sha256="abc")

    return Conditions(tmp_path / "arms", "abc", make, say=lambda words: None), asked


def test_a_condition_is_made_once_and_found_by_what_it_is(
        conditions: tuple[Conditions, list[tuple[Request, ...]]], tmp_path: Path) -> None:
    store, asked = conditions
    request = Request("generate", count=4, steps=10)
    first = store.get("pool", [request])[0]
    assert [member.entry["k"] for member in first.members if member.entry] == [0, 1, 2, 3]
    fewer = store.get("another name", [replace(request, count=2, first=1)])[0]
    assert (fewer.folder, [member.entry["k"] for member in fewer.members if member.entry]) == (first.folder, [1, 2])
    assert len(asked) == 1
    store.get("other steps", [request, replace(request, steps=20)])
    assert [[r.steps for r in batch] for batch in asked] == [[10], [20]], "what is elsewhere was made again"
    elsewhere = Conditions(tmp_path / "new", "abc", store.make, (tmp_path / "arms" / "pool",), lambda words: None)
    assert elsewhere.get("pool", [request])[0].folder == first.folder and len(asked) == 2
    other_model = Conditions(tmp_path / "new", "abd", store.make, (tmp_path / "arms",), lambda words: None)
    with pytest.raises(InputError, match="incomplete"):  # the fake writes the other model's hash
        other_model.get("pool", [request])
    assert first.threads == 2


def test_a_run_that_was_stopped_at_once_is_no_condition(
        conditions: tuple[Conditions, list[tuple[Request, ...]]], tmp_path: Path) -> None:
    store, asked = conditions
    make_fake([Request("generate", count=2)], None, tmp_path / "arms" / "stopped", sha256="abc")
    record = tmp_path / "arms" / "stopped" / "record.json"
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "runs": [{**values["runs"][0], "siblings": []}]}))
    assert len(store.get("pool", [Request("generate", count=2)])[0]) == 2 and len(asked) == 1


def twin_of(path: Path, scale: float, **labels: int) -> TwinSource:
    """A twin in a file, or in a folder of masks."""
    write_labelmap(canonical_heart(scale), path, path.name.split(".", 1)[1] if "." in path.name else "folder")
    return TwinSource(Member(path.name, path), ANATOMY, labels or None)


@pytest.mark.parametrize("suffix", [".nii.gz", ""])
def test_a_condition_of_another_twin_is_another_condition(
        conditions: tuple[Conditions, list[tuple[Request, ...]]], tmp_path: Path, suffix: str) -> None:
    store, asked = conditions
    twins = [twin_of(tmp_path / f"twin{number}{suffix}", scale) for number, scale in enumerate((0.95, 1.05))]
    request = Request("perturb", count=1, ratio=0.5)
    folders = {store.get(twin.member.name, [request], twin)[0].folder for twin in (*twins, twins[0])}
    assert (len(folders), len(asked)) == (2, 2)


def test_a_twin_is_known_by_its_voxels_and_what_they_mean(
        conditions: tuple[Conditions, list[tuple[Request, ...]]], tmp_path: Path) -> None:
    store, asked = conditions
    request = Request("perturb", count=1, ratio=0.5)
    folder = store.get("a file", [request], twin_of(tmp_path / "twin.nii.gz", 1.05))[0].folder
    assert store.get("moved", [request], twin_of(tmp_path / "other.nrrd", 1.05))[0].folder == folder
    own = {tissue.id: tissue.label for tissue in ANATOMY.tissues}
    assert store.get("said", [request], twin_of(tmp_path / "twin.nii.gz", 1.05, **own))[0].folder == folder
    swapped = {**own, "LV": own["RV"], "RV": own["LV"]}
    assert store.get("corrected", [request], twin_of(tmp_path / "twin.nii.gz", 1.05, **swapped))[0].folder != folder
    assert len(asked) == 2


def test_a_twin_is_read_once_however_many_runs_are_looked_through(
        conditions: tuple[Conditions, list[tuple[Request, ...]]], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    store, request = conditions[0], Request("perturb", count=1, ratio=0.5)
    for scale in (0.94, 0.97, 1.03):
        store.get(f"run {scale}", [request], twin_of(tmp_path / "a.nii.gz", scale))
    reads: list[Path] = []
    read = TwinSource.read
    monkeypatch.setattr(TwinSource, "read", lambda self: reads.append(self.member.path) or read(self))
    twin = twin_of(tmp_path / "b.nii.gz", 1.0)
    for _ in range(2):
        store.get("looked for", [request], twin)
    assert len(reads) == 2, "once to be known by, once to be edited"


@pytest.fixture(scope="module")
def cohort(models: Path, tmp_path_factory: pytest.TempPathFactory) -> MeasuredCohort:
    folder = tmp_path_factory.mktemp("hearts")
    for index, scale in enumerate((0.94, 0.97, 1.0, 1.03, 1.06)):
        write_labelmap(canonical_heart(scale), folder / f"heart{index}.nii.gz", "nii.gz")
    return measure_cohort(folder, ANATOMY, find_model("small").reference(), jobs=1)


def test_seeds_are_the_nearest_to_their_places_and_different(cohort: MeasuredCohort) -> None:
    seeds = choose_seeds(cohort)
    assert [seed.name for seed in seeds] == list(PLACES)
    by_name = {seed.name: seed.member for seed in seeds}
    assert (by_name["L+R+"], by_name["L-R-"], by_name["L0R0"]) == ("heart4", "heart0", "heart2")
    assert len(set(by_name.values())) == 4
    assert nearest(np.array([[0.0, 0.0], [1.0, 1.0]]), (0.9, 0.9), [1]) == 0
    with pytest.raises(InputError, match="Four seed hearts"):
        choose_seeds(cohort.subset([0, 1, 2]))


def test_the_papers_tables_are_whole() -> None:
    assert [table.name for table in paper_tables("unconditional")] == ["npj 2024, Table 1", "npj 2024, Table 2",
                                                                       "arXiv 2024, Table 1"]
    assert paper_table("npj-3").row(ratio=0.35)["L+R0"] == 23.3
    assert paper_table("npj-5").row(strategy="perturb")["recall"] == 0.92
    assert paper_table("npj-1").row(cohort="PCA") == {}
    assert all(set(row) - {"ratio", "edit"} == set(PLACES) for key in ("npj-3", "npj-4", "arxiv-2", "arxiv-3")
               for row in paper_table(key).rows)
    assert findings("sensitivity")[0].startswith("npj 2024 (Results")


def test_names_of_a_split_are_read(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(json.dumps([{"name": "a.nii", "split": "test"}, {"name": "b.nii", "split": "train"}, "c.nii"]))
    assert names_in(path, "test") == {"a.nii", "c.nii"}
    path.write_text("{")
    with pytest.raises(InputError, match="list of names"):
        names_in(path, "test")


def test_settings_say_what_cannot_be_used(tmp_path: Path) -> None:
    assert StudySettings(tmp_path, count=12).plan.count == 12
    assert StudySettings(tmp_path, pool=60).plan.sizes == (5, 10, 20, 50)
    for wrong in ({"count": 1}, {"names": tmp_path}, {"minutes": 0.0}):
        with pytest.raises(InputError):
            StudySettings(tmp_path, **wrong)
    with pytest.raises(InputError, match="no such study"):
        run_studies(["nonsense"], StudySettings(tmp_path))


def test_a_table_in_markdown_has_short_numbers_and_no_nan() -> None:
    text = markdown([{"a": "x|y", "b": 1.23456, "c": float("nan")}, {"a": "z", "b": 12345.6}])
    assert text.splitlines() == ["| a | b | c |", "|---|---:|---:|", "| x\\|y | 1.23 |  |", "| z | 12346 |  |"]


def test_all_studies_give_tables_beside_the_papers(models: Path, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    sha256, batches = find_model("small").sha256, []

    def make(requests: list[Request], twin: LabelMap | None, out: Path) -> None:
        batches.append(out.name)
        make_fake(requests, twin, out, sha256=sha256)

    def placement_of(self: Augmenter, start: SeedHeart | None) -> Placement:  # no registration
        assert start is not None
        labelmap = start.twin.read()
        return Placement(labelmap.labels.astype(np.uint8), labelmap.affine, "world", np.eye(4), ANATOMY)

    monkeypatch.setattr(sizes, "QUICK", TINY)
    monkeypatch.setattr("DiffusionSiblingsLib.reports.chart_style.SHARP", 0.5)  # drawing is most of the time
    monkeypatch.setattr("DiffusionSiblingsLib.studies.context.SiblingMaker", lambda *settings: make)
    reports: list[Path] = []
    monkeypatch.setattr("DiffusionSiblingsLib.studies.unconditional.write_comparison",
                        lambda out, *given, **more: reports.append(out))
    monkeypatch.setattr(StudyContext, "held", lambda self, request, twin: replace(request, ratio=0.66))
    monkeypatch.setattr(Augmenter, "placement_of", placement_of)
    settings = StudySettings(tmp_path, quick=True, jobs=1, model="small", command="siblings study all")
    folders = run_studies(["all"], settings)
    assert [folder.name for folder in folders] == list(STUDIES)
    assert reports == [tmp_path / "unconditional" / "samples"]
    for folder in folders:
        page, values = (folder / "table.md").read_text(), json.loads((folder / "study.json").read_text())
        assert (folder / f"{folder.name}.png").stat().st_size > 1000 and (folder / "table.csv").stat().st_size > 200
        assert "No real hearts were given" in page and "A quick run" in page and values["command"] == settings.command
        assert values["rows"] and "nan" not in page.lower().replace("nano", "")
    perturbed = json.loads((tmp_path / "perturb" / "study.json").read_text())["rows"]
    assert {row["npj 2024 TV, Table 3 [%]"] for row in perturbed if row.get("ratio") == 0.35} == {9.7, 10.4, 23.3, 11.1}
    augmented = json.loads((tmp_path / "augment" / "study.json").read_text())["rows"]
    ours = [row["strategy"] for row in augmented if row["source"] == "ours"]
    assert ours == ["generate", "perturb", "local", "guided"]
    made = list(batches)
    run_studies(["augment"], settings)
    assert batches == made, "arms that were there were made again"


def test_an_interval_stands_in_the_cell_of_its_figure() -> None:
    text = markdown([{"recall": 0.853, "recall 95 %": "0.8 to 0.9"}, {"recall": 0.74, "recall 95 %": ""}])
    assert text.splitlines() == ["| recall |", "|---|", "| 0.853 (0.8 to 0.9) |", "| 0.74 |"]


def test_labels_are_of_the_hearts_that_are_given_and_not_of_those_that_a_study_makes(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measured(members: Sequence[Member], *_: object, labels: object, **__: object) -> SimpleNamespace:
        asked.append((members[0].path.name, labels))
        return SimpleNamespace(assumptions=())

    monkeypatch.setattr("DiffusionSiblingsLib.studies.context.measure_cohort", measured)
    (tmp_path / "heart.nii.gz").write_bytes(b"is not read here")
    context = StudyContext(StudySettings(tmp_path / "out", real=tmp_path, labels={"LV": 4}))
    context.real  # noqa: B018 (is measured when it is asked for)
    made = (Member("made", tmp_path / "made.nii.gz", {}),)
    context.measured(Condition(Request("generate"), tmp_path, made, 1), "made")
    assert asked == [("heart.nii.gz", {"LV": 4}), ("made.nii.gz", None)]


def test_a_seed_of_a_study_is_edited_as_it_is_measured(models: Path, tmp_path: Path) -> None:
    path = renumbered_run(tmp_path) / "sibling_000000.nii.gz"
    context = StudyContext(StudySettings(tmp_path / "out", real=path.parent, model="small"))
    assert {tissue: values[0] for tissue, values in context.twin(path).read().tissues.items()} == SWAPPED
    own = {tissue.id: tissue.label for tissue in ANATOMY.tissues}
    said = StudyContext(StudySettings(tmp_path / "out", real=path.parent, labels=own, model="small"))
    assert {tissue: values[0] for tissue, values in said.twin(path).read().tissues.items()} == own
