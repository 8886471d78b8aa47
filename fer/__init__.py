"""Train, tune, judge, export and run models of facial expressions and facial points."""

__version__ = "0.1.0"
