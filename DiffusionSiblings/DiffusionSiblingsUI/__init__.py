"""The Slicer side of DiffusionSiblings: the only place for slicer, qt, ctk and MRML; torch stays in the worker."""
