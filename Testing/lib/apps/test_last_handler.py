"""What the command line says where nobody foresaw what went wrong: one line, and where to find and report the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from DiffusionSiblingsLib.apps.cli import listing
from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.errors import means_memory


class PanicError(BaseException):
    """As a package in Rust raises one, which is no Exception."""


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[BaseException], int]:
    """`siblings models`, which raises this -> exit code."""
    monkeypatch.setenv("SIBLINGS_MODELS", str(tmp_path / "own" / "Models"))

    def run(error: BaseException) -> int:
        def models(options: object) -> int:
            raise error

        monkeypatch.setattr(listing, "models", models)
        return main(["models", "--verify"])

    return run


@pytest.mark.parametrize("error", [ValueError("two\nlines"), KeyError("x"), AssertionError(), PanicError("panic"),
                                   RecursionError("deep"), UnicodeEncodeError("ascii", "\udc80", 0, 1, "no"),
                                   RuntimeError("\udc80" * 3)])
def test_an_unexpected_error_is_one_line_and_its_traceback_a_file(
        error: BaseException, failing: Callable[[BaseException], int], tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(error) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("siblings: ") and shown.count("\n") == 1
    assert type(error).__name__ in shown and "/issues" in shown and str(tmp_path / "own" / "last-error.txt") in shown
    told = (tmp_path / "own" / "last-error.txt").read_text(encoding="utf-8")
    assert "Traceback" in told and "siblings models --verify" in told and "in models" in told


def test_where_no_file_can_be_written_the_traceback_follows_the_line(
        failing: Callable[[BaseException], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own").write_bytes(b"in the way")
    assert failing(ValueError("odd")) == 1
    first, *rest = capsys.readouterr().err.splitlines()
    assert "odd" in first and "/issues" in first and "Traceback" in rest[0]


@pytest.mark.parametrize("error", [
    MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 28 bytes"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), OSError(12, "Cannot allocate memory"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object")])
def test_too_little_memory_is_said_as_such(error: BaseException, failing: Callable[[BaseException], int],
                                           tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(error) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("siblings: There is too little memory") and shown.count("\n") == 1
    assert not (tmp_path / "own").exists()


def test_other_errors_are_not_taken_for_those_of_memory() -> None:
    assert not any(map(means_memory, (ValueError("out of memory"), RuntimeError("shape"), OSError(28, "No space"))))


def test_ctrl_c_before_anything_is_done_is_one_line(failing: Callable[[BaseException], int],
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "siblings: stopped\n"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory")
def test_a_real_run_without_memory_says_so(tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))

    done = subprocess.run([sys.executable, "-m", "DiffusionSiblingsLib", "generate", "--out", str(tmp_path / "out")],
                          preexec_fn=limit, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("siblings: There is too little memory"), done.stderr
