"""Solvers of the sampler's equation, one method in a file: each makes one step from a noise level to a lower one."""
