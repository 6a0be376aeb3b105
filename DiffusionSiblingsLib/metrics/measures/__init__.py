"""Measures that find their own place in any label map of an anatomy: annuli, diameters, angles, wall thickness."""
