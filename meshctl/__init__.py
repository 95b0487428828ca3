"""Share a neighbourhood's internet line fairly, openly and for free."""

__version__ = "0.1.0"
