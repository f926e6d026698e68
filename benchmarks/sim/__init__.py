"""Simulation: how fast, how large, and the same spikes as other simulators."""
