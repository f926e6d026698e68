"""Ranvier: one spiking network, trained, simulated, compiled to any neuromorphic machine, judged."""
