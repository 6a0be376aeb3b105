"""Frames: from a twin's own voxel grid into the canonical frame of the model, and back.

Nothing heavy is imported here: SimpleITK and scipy load when a function of `itk` first needs them, so that a bare
training machine can read a `Reference` with numpy alone.
"""
