"""One file per solution; `parts/` holds what several share."""
