"""HTML pages: the report of a run, the report of a study."""
