"""Starts, watches and stops model servers on this machine."""
