"""Finds a planted hardware address or text wherever it was written, whatever it was written as."""
