"""The engine as a long-lived child process of a program that must not load torch itself, such as 3D Slicer.

    PYTHON -m DiffusionSiblingsLib.apps.worker

Commands come in as one JSON object a line; events go out likewise (see `protocol`). Label maps travel as files
(`exchange`). The end of the input ends the worker: a program that died leaves none behind.
"""
