"""gammu-smsd: real SIMs in modems, read from the PostgreSQL inbox that the daemon writes."""
