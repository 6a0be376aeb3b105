"""What is used where nothing else is asked for: one set for the command line, Slicer and scripts. Imports nothing."""

from __future__ import annotations

DEFAULT_MODEL = "heart-compact"
COUNT, SEED = 1, 0
PAPERS_STEPS = 50  # of the solver heun
MULTISTEP_STEPS = 12  # of the solver dpmpp-2m
GATE_LIMIT = 10  # siblings that are drawn at most for each one asked for, with acceptance checks
RATIO = 0.5  # of a perturbation
RATIO_WORDS = ("0.2 changes the local shape of walls, 0.5 the size and proportions of chambers, 0.8 nearly everything; "
               "at 1 the twin has no influence")
INPAINT_RATIO = 1.0  # the chosen part is drawn anew
GUIDED_RATIO = 0.6  # of a guided perturbation: room for the targets, and still a sibling
AMOUNT = 0.2  # share by which a preset changes what it is about
LEAST_GUIDED_STEPS = 20  # held volumes at 10 steps gave broken hearts (half of the raw checks failed), at 20 sound ones
