"""Readers of data set files: pictures, tables, torchvision's formats."""
