"""Pages that anybody may read: landing, API documentation, policies, official addresses."""
