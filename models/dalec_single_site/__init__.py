"""DALEC-CDEA at one site."""
