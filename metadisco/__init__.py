"""Evolutionary meta-learning of reinforcement-learning objectives in pure JAX.

Names are imported when they are first used: see `__init__.pyi` for the list.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__path__.append(f"{__path__[0]}/former")  # where modules that have moved are still found
