"""Fixtures of the soak: those of the contract."""

from tests.contract.kernels.conftest import notebook

__all__ = ["notebook"]
