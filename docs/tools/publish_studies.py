"""Copies the results of `siblings study` into the documentation: tables, study.json, and pictures made small.

    python docs/tools/publish_studies.py STUDIES [docs/studies]

STUDIES: the folder that the studies were run into (--out). Arms, measurements and reports stay there.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

from PIL import Image

from DiffusionSiblingsLib.reports.chart_style import small_png

ROOT = Path(__file__).resolve().parents[2]
WIDE = 1200  # pixels of a picture
STUDIES = ("unconditional", "sensitivity", "perturb", "local", "augment", "mechanics")


def publish(study: Path, out: Path) -> None:
    """One study's folder into another one."""
    if json.loads((study / "study.json").read_text(encoding="utf-8"))["quick"]:
        raise SystemExit(f"{study} is a quick run: it shows that everything works and is no result.")
    out.mkdir(parents=True, exist_ok=True)
    for name in ("table.md", "table.csv", "study.json"):
        shutil.copyfile(study / name, out / name)
    for picture in sorted(study.glob("*.png")):
        with Image.open(picture) as image:
            shrunk, stream = image.convert("RGB"), io.BytesIO()
        shrunk.thumbnail((WIDE, WIDE), Image.Resampling.LANCZOS)
        shrunk.save(stream, format="PNG")
        (out / picture.name).write_bytes(small_png(stream.getvalue()))


def main(arguments: list[str]) -> None:
    """Publishes every study that is there."""
    source, out = Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else ROOT / "docs" / "studies"
    for name in STUDIES:
        if (source / name / "study.json").exists():
            publish(source / name, out / name)
            print(out / name)


if __name__ == "__main__":
    main(sys.argv[1:])
