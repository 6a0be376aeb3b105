"""From a request to siblings: networks, sampler, edits and guidance (torch)."""
