"""Meshes of finished label maps for simulations: surfaces, patches, tetrahedra, files. Nothing here loads torch."""
