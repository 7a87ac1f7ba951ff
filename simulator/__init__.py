"""A job market with known truth: numbers go in, raw tables and the truth behind them come out.

Everything drawn from it is simulated and is called so. Knows nothing of Beam, features or models.
"""

from simulator.catalogue import Catalogue
from simulator.market import simulate
from simulator.truth import Truth

__all__ = ["Catalogue", "Truth", "simulate"]
