"""Label maps from files and into files, what their labels mean, and their place in the canonical frame."""
