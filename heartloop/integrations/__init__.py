"""Bridges to other tools; each registers what it adds, and no floor below knows of it."""
