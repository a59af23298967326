"""NERSC's Shifter."""
