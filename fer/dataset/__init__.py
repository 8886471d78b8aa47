"""Where samples come from: one recipe a file, chosen by `dataset=<file name>`."""
