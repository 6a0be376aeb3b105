"""Runs: siblings made by one process, several, or a cluster, into a folder that any stop leaves whole.

    from DiffusionSiblingsLib.runs.pipeline import run
    from DiffusionSiblingsLib.runs.settings import RunSettings

    if __name__ == "__main__":  # processes are spawned: they read the script again
        settings = RunSettings(jobs=2, resume=True)
        summary = run([Request("perturb", ratio=0.5, count=200)], "heart.nii.gz", Path("out/arm"), settings)
        summary.complete, summary.accepted, summary.drawn

`run` writes what `siblings perturb ... --out out/arm` writes. It makes a plan (`plan.py`), gives tasks to workers
(`scheduler.py`) and puts the siblings into a run folder (`run_folder.py`). With resume=True a run that was stopped or
killed is continued, a complete one is left as it is at once (no model is loaded), and a larger count adds to it.
Sibling k depends on (seed, k) alone, whoever makes it, so that conditions of equal seeds are comparable.
"""
