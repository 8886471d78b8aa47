"""The typed whole of each command: one file each, named as its root in `conf/`."""
