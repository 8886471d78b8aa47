"""The recipes of the group `loss`: one file each; its values and variants are in conf/loss/."""
