"""The recipes of the group `model`: one file each; its values and variants are in conf/model/."""
