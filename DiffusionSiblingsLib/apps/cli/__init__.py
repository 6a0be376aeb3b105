"""The command `siblings`."""
