"""Simulated customers: they place orders, retry in doubt, cancel some and record everything.

customers = Customers("http://127.0.0.1:8000", total=200, seed=1)   # as fast as possible
customers = Customers("http://127.0.0.1:8000", rate=20)             # until cancelled
history = await customers.run()                                     # or customers.history
"""

from sandbox.customers.history import Exchange, History
from sandbox.customers.plan import Mix, Visit, plan
from sandbox.customers.run import Customers

__all__ = ["Customers", "Exchange", "History", "Mix", "Visit", "plan"]
