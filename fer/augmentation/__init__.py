"""The recipes of the group `augmentation`: one file each; its values and variants are in conf/augmentation/."""
