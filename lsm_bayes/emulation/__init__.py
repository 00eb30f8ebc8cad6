"""Emulation: perturbed-parameter ensembles, emulators with their variance, history matching."""
