"""DALEC-CDEA at the forests and grasslands of FLUXNET2015."""
