"""What a person sees of a result: charts, pictures, tables and pages. Reads records and knows no engine."""
