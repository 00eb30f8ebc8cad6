"""Parameterisations shared by land models: pure symbolic functions of 0-d tensors, one file per process."""
