"""VSEM with known truth."""
