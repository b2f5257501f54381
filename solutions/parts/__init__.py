"""What several solutions share; no file of this folder is a solution."""
