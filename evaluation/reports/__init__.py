"""What people read: the console, tables, reported scores."""
