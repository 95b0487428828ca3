"""The fair share: pure functions of their arguments."""
