"""The recipes of the group `tuner`: one file each; its values are in conf/tuner/."""
