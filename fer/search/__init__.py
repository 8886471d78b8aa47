"""Searches over settings: the space, the trials and their processes, and what remembers them."""
