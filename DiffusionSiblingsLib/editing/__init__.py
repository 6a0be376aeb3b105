"""What an edit is asked for and what it gives: requests, composites, repair, siblings. Nothing here loads torch."""
