"""From a folder of label maps to one training data set: filtered, canonical, split by subject, packed."""
