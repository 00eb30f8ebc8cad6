"""Small real data that ships with the package, and the cards of all data sets."""
