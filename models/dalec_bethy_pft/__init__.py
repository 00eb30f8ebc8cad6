"""D&B at towers of one plant functional type: NEE, latent and sensible heat."""
