"""What the shells complete: commands, options and values, without loading anything heavy."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from DiffusionSiblingsLib.apps.cli.app import COMMANDS
from DiffusionSiblingsLib.control.preset_file import preset_help
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.metrics.acceptance_help import gate_help

TISSUES = set(load_anatomy("heart").ids)
HEAVY = ("torch", "numpy", "scipy")
CODE = ("import atexit, sys\nfrom DiffusionSiblingsLib.apps.cli.main import main\n"
        f"atexit.register(lambda: print(*[n for n in {HEAVY} if n in sys.modules], file=sys.stderr))\nmain([])")


def completed(line: str, shell: str = "bash") -> list[str]:
    """What a shell offers at the end of a line."""
    words = line.split(" ")
    settings = {"_SIBLINGS_COMPLETE": f"complete_{shell}", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
                "_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args",
                "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1]}
    done = subprocess.run([sys.executable, "-c", CODE], env={**os.environ, **settings}, capture_output=True, text=True,
                          check=True)
    assert done.stderr.split() == []
    return done.stdout.split("\n")[:-1]


def test_commands_and_options_are_completed() -> None:
    assert set(completed("siblings ")) == set(COMMANDS)
    assert completed("siblings pert") == ["perturb"]
    assert completed("siblings perturb heart.nii.gz --ra") == ["--ratio"]


@pytest.mark.parametrize(("line", "values"), [
    ("siblings inpaint heart.nii.gz --edit ", TISSUES),
    ("siblings inpaint heart.nii.gz --edit L", {"LV", "LA"}),
    ("siblings inpaint heart.nii.gz --edit LV,R", {"LV,RV", "LV,RA"}),
    ("siblings perturb heart.nii.gz --hold ", TISSUES | {"all"}),
    ("siblings design heart.nii.gz --edit w", {"whole"}),
    ("siblings guide --preset ", set(preset_help())),
    ("siblings measure a.nii.gz --preset enlarge-r", {"enlarge-rv", "enlarge-ra"}),
    ("siblings perturb heart.nii.gz --model heart", {"heart-compact"}),
    ("siblings perturb heart.nii.gz --format ", {"same", "nii.gz", "nrrd", "seg.nrrd", "mha"}),
    ("siblings perturb heart.nii.gz --device c", {"cpu", "cuda"}),
    ("siblings perturb heart.nii.gz --gate ", set(gate_help())),
    ("siblings guide --guider ", {"projection", "gradient"}),
    ("siblings study s", {"sensitivity"}),
    ("siblings augment --strategy g", {"guided", "generate"}),
    ("siblings train data --config ", {"compact", "paper"}),
    ("siblings measure a.nii.gz --anatomy ", {"heart"}),
    ("siblings perturb ", {""}),  # nothing of ours: the shell then offers files
    ("siblings perturb heart.nii.gz --ratio 0.2 0.5 --o", {"--out", "--overwrite"}),
    ("siblings perturb heart.nii.gz --re x --ou", {"--out"}),  # an ambiguous option is no reason to stop
])
def test_values_are_completed(line: str, values: set[str]) -> None:
    assert set(completed(line)) == values


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_other_shells_get_names_too(shell: str) -> None:
    assert any("perturb" in line for line in completed("siblings pert", shell))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_of_a_shell_can_be_shown(shell: str) -> None:
    settings = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run([sys.executable, "-c", "from DiffusionSiblingsLib.apps.cli.main import main\nmain()",
                           "--show-completion", shell], env=settings, capture_output=True, text=True, check=True)
    assert "_SIBLINGS_COMPLETE" in done.stdout
