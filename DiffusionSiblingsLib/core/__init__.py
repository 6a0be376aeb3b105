"""What everything else stands on: errors, files, label maps in memory, anatomies, records, tables, colours."""
