"""Commands of the command line that need more than a few lines; they import what they do when they run."""
