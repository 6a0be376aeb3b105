"""The programs: the command line `siblings`, and the worker that 3D Slicer starts."""
