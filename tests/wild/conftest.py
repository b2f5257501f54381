collect_ignore_glob = ["solutions/*", "notebooks/*", "kit/*"]  # what people write is read, not imported
