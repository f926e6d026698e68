"""Simulation and recording."""
