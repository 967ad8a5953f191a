"""The Brian2 objects that a description and a plan become."""
