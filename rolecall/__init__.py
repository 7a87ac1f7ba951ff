"""The one command. Every sub-command is a thin call into one folder; the recipe is the list of those calls."""
