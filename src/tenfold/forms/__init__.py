"""Forms: from a template and scans to a table."""
