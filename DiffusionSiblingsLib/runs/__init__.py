"""Cohorts: many siblings by several processes or machines, in a folder that any stop leaves whole.

    from DiffusionSiblingsLib.runs.pipeline import make

    if __name__ == "__main__":  # processes are spawned: they read the script again
        made = make([Request("perturb", ratio=0.5, count=200)], "heart.nii.gz", Path("out/arm"), jobs=2, resume=True)
        made.complete, made.accepted, made.drawn

`make` writes what `siblings perturb ... --out out/arm` writes. With resume=True a run that was stopped or killed goes
on, a complete one is left as it is at once (no model is loaded), and a larger count adds to it. Sibling k depends on
(seed, k) alone, whoever makes it, so that arms of equal seeds are comparable.
"""
