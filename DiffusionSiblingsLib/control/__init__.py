"""Control domains: where a tissue is measured, what is asked of it, and what it has. numpy at import, no torch."""
