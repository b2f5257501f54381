"""One file per solution; `toolbox.py` holds what several share."""
