"""The pipeline, wired from the components, and the recipes."""
