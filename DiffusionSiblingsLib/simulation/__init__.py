"""Simulations of meshes: the wall of the left ventricle filled with pressure and activated, with a public solver."""
