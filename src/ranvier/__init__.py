"""Ranvier: one spiking network, trained, simulated, compiled to many machines, judged."""
