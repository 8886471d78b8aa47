"""The recipes of the group `tracker`: one file each; its values and variants are in conf/tracker/."""
