"""Repair of a label map: specks given away, small cavities filled, forbidden contacts opened; everything counted."""
