"""The commands: one file each, named as its root in `conf/`."""
