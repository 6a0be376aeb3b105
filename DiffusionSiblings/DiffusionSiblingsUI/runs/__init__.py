"""Siblings on their way: the worker, operations in short steps, edits that end in the scene."""
