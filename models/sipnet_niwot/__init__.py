"""SIPNET at Niwot Ridge."""
