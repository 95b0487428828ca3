"""One small file per fact; each probe fails alone."""
