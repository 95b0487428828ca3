"""What the agents of one network tell each other."""
