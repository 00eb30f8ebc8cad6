"""Latent heat at towers, by plant functional type and site."""
