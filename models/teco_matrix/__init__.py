"""TECO in matrix form at a forest with plots."""
