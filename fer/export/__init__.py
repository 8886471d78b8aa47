"""The recipes of the group `export`: one file each; its values and variants are in conf/export/."""
