"""Files of a side's own data, made on demand by a worker, kept sealed for a week, fetched with a key or a signed link."""
