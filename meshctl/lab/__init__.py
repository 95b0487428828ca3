"""A whole neighbourhood in network namespaces, running the real processes."""
