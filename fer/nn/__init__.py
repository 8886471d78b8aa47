"""Keras layers, losses, metrics and schedules that several recipes share; imported only where the work is done."""
