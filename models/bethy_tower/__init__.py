"""BETHY at towers: NEE, latent and sensible heat together."""
