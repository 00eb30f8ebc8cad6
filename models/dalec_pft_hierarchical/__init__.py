"""DALEC-CDEA at several sites, parameters by plant functional type and by site."""
