"""Two pools with known truth."""
