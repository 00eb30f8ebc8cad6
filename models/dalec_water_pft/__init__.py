"""DALEC 1005 at several forests, carbon and water, parameters by plant functional type and by site."""
