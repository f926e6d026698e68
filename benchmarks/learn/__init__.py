"""Training: speed, memory and reference results."""
