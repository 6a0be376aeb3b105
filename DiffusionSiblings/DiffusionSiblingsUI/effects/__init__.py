"""The Segment Editor effects Perturb, Inpaint and Guide, apart from the files that Slicer loads."""
