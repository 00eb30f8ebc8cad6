"""The P-model at FR-Pue."""
