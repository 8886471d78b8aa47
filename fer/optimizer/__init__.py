"""The recipes of the group `optimizer`: one file each; its values and variants are in conf/optimizer/."""
