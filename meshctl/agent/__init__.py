"""The daemon of a node: the only room that touches the kernel and node.db."""
