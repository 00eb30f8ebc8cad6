"""DALEC 1005 at one site."""
