"""Damages files of every kind that is read, by the thousand, and tells where a reader did what no reader may do.

    python Testing/fuzz/run.py                              # 25,000 cases, about ten minutes
    python Testing/fuzz/run.py --first 25000 --count 5000   # goes on where that ended
    python Testing/fuzz/run.py --only record control --keep /tmp/cases

Case n is the same every time. A reader may read a case or refuse it with one error of this project's family; another
exception, more than 10 s and more than 1 GiB are failures, and exit code 1. --keep writes the inputs that failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "lib"),
                str(Path(__file__).resolve().parents[2])]

from inputs import INPUTS  # noqa: E402
from session import Outcome, Session  # noqa: E402


def main() -> int:
    """Runs the cases that were asked for -> exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=25_000, help="number of cases")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", nargs="+", default=[], choices=list(INPUTS), help="kinds of input")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that failed")
    options = parser.parse_args()
    found: dict[str, list[Outcome]] = defaultdict(list)
    failed = []
    with tempfile.TemporaryDirectory(prefix="siblings-fuzz-") as folder:
        os.environ["SIBLINGS_MODELS"] = str(Path(folder) / "models")
        session = Session(Path(folder), options.only)
        for number in range(options.first, options.first + options.count):
            outcome = session.run(number)
            found[outcome.target].append(outcome)
            if outcome.failed:
                failed.append(outcome)
                _tell(outcome, options.keep)
    _table(found)
    print(f"{options.count} cases from {options.first}: {len(failed)} failed")
    return 1 if failed else 0


def _tell(outcome: Outcome, keep: Path | None) -> None:
    last = outcome.foreign.strip().splitlines()[-3:]
    print(f"case {outcome.number}, {outcome.target}: {outcome.seconds:.1f} s, {outcome.grown >> 20} MiB",
          *last, sep="\n    ", flush=True)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        name = f"{outcome.number}.{INPUTS[outcome.target].file.replace('/', '_')}"
        (keep / name).write_bytes(outcome.raw)
        (keep / f"{outcome.number}.txt").write_text(outcome.foreign, encoding="utf-8", errors="replace")


def _table(found: dict[str, list[Outcome]]) -> None:
    print(f"{'input':12}{'cases':>8}{'refused':>9}{'failed':>8}{'slowest':>10}{'largest':>10}")
    for name, cases in sorted(found.items()):
        slowest, largest = max(case.seconds for case in cases), max(case.grown for case in cases) >> 20
        refused, failed = (sum(getattr(case, kind) for case in cases) for kind in ("refused", "failed"))
        print(f"{name:12}{len(cases):8}{refused:9}{failed:8}{slowest:8.2f} s{largest:6} MiB")


if __name__ == "__main__":
    raise SystemExit(main())
