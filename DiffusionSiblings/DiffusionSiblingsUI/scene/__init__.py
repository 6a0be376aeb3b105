"""MRML nodes to label maps, tables and plots, and back."""
