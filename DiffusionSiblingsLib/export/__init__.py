"""What a person sees of a result: tables and pictures."""
