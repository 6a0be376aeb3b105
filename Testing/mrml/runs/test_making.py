"""How a run is made: acceptance checks, processes, a folder that stays, and an unfinished run that is continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from DiffusionSiblingsUI.logic import SiblingsLogic
from DiffusionSiblingsUI.runs import edit_request
from DiffusionSiblingsUI.runs.making import CHECKS, Making, gate_of, gate_words
from panel_parameters import parameters

from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.core.record import read_record
from DiffusionSiblingsLib.metrics.acceptance import RULES, Acceptance

QUICK: dict[str, Any] = {"steps": 2, "repair": False}


def test_the_panel_offers_every_acceptance_check_of_the_library() -> None:
    assert set(CHECKS) == set(RULES)
    gate = gate_of(",".join(CHECKS), 2.5)
    assert [rule.name for rule in Acceptance.parse(gate).rules] == list(CHECKS) and "thin-walls:2.5" in gate
    assert gate_of("", 2.0) == "" and gate_of("hollows, components", 2.0) == "components,hollows"


def test_what_the_panel_says_of_a_run_reaches_the_worker() -> None:
    asked = parameters(edit="generate", checks="contacts", most_drawn=5, jobs=3, folder="/somewhere", resume=True)
    settings = edit_request.task_of(asked).making.settings()
    assert settings == {"gate": "contacts", "limit": 5, "jobs": 3, "resume": True, "overview": True}
    nowhere = edit_request.task_of(parameters(edit="generate", resume=True)).making.settings()
    assert "resume" not in nowhere and nowhere["overview"] is False and nowhere["gate"] == ""


def test_the_python_console_takes_the_names_of_the_command_line() -> None:
    made = Making.of({"gate": ["components", "contacts"], "gate_limit": 3, "jobs": 2, "out": Path("/x"),
                      "resume": True})
    assert made == Making("components,contacts", 3, 2, "/x", True) and Making.of({}) == Making()
    for wrong in ({"jobs": 0}, {"gate_limit": 0}):
        with pytest.raises(InputError):
            Making.of(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="gates"):
        Making.of({"gates": "components"})  # type: ignore[typeddict-unknown-key]


def test_a_region_of_a_run_that_stays_is_named_by_what_it_covers() -> None:
    one, other = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    assert Making().region_name(one) == Making().region_name(other)
    kept = Making(folder="/x")
    assert kept.region_name(one) == kept.region_name(one.copy()) != kept.region_name(other)


@pytest.mark.parametrize(("drawn", "accepted", "words"), [
    (4, 4, "All siblings passed"), (9, 4, "rejected 5 of 9"), (40, 3, "Only 3 of the 4")])
def test_what_the_checks_did_is_said(drawn: int, accepted: int, words: str) -> None:
    run = {"request": {"count": 4}, "gate": {"checks": "components", "drawn": drawn, "accepted": accepted}}
    assert words in gate_words({"runs": [run]})
    assert gate_words({"runs": [{"request": {"count": 4}}]}) == ""


def test_a_run_stays_in_its_folder_and_is_continued_there(logic: SiblingsLogic, scene: Any, tmp_path: Path) -> None:
    out = tmp_path / "a run"
    first = logic.generate(1, out=out, **QUICK)
    assert len(first) == 1 and len(read_record(out / "record.json").runs[0]["siblings"]) == 1
    assert {path.name for path in out.iterdir()} >= {"record.json", "metrics.csv"}
    assert not list(out.glob("*.npy")), "what is handed over does not stay"
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("sibling_0000.*")}
    with pytest.raises(OutputError) as refused:
        logic.generate(2, out=out, **QUICK)
    assert "Continue an unfinished run" in refused.value.hint and "--" not in refused.value.message()
    both = logic.generate(2, out=out, resume=True, **QUICK)
    assert len(both) == 2 and {path.name: path.stat().st_mtime_ns for path in out.glob("sibling_0000.*")} == before
    with pytest.raises(InputError) as other:
        logic.generate(2, seed=9, out=out, resume=True, **QUICK)
    assert "seed" in other.value.what and "--" not in other.value.message()


def test_siblings_are_rejected_and_said_to_be(logic: SiblingsLogic, scene: Any) -> None:
    from DiffusionSiblingsUI.scene.runs import find_runs

    logic.generate(1, gate="thin-walls:50", gate_limit=2, **QUICK)
    run = find_runs()[-1]
    assert run.siblings == () and "Only 0 of the 1" in gate_words(run.record)
    with pytest.raises(InputError, match="acceptance check is unknown"):
        logic.generate(1, gate="beauty", **QUICK)
