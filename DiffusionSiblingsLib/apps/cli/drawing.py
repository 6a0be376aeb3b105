"""`siblings draw`."""

from __future__ import annotations

from ...core.errors import InputError
from .drawing_options import Draw


def draw(options: Draw) -> int:
    """siblings draw ANATOMY --count N."""
    from ...core.progress import ProgressBar
    from ...drawing.cohort import draw_cohort

    if options.count < 1 or options.seed < 0:
        raise InputError("An option is out of range", value=f"count {options.count}, seed {options.seed}",
                         rule="a count of 1 or more and a seed of 0 or more")
    seeds = range(options.seed, options.seed + options.count)
    with ProgressBar("Draw", total=options.count, unit="maps", kept=False) as bar:
        for done, path in enumerate(draw_cohort(options.anatomy, seeds, options.out, format=options.format), 1):
            bar.show(done, options.count, path.name)
    print(f"{options.count} maps, each with the truth about it in a .json file, are in {options.out}")
    return 0
