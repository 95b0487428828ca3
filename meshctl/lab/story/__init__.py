"""The chapters of the story that `make demo` tells."""
