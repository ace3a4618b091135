"""The loop as one thing: count, plan, weigh, move, repair, grow and shrink. See `Balancer`."""

from ._balancer import Balancer
from ._progress import Progress
from ._proposal import Proposal

__all__ = ["Balancer", "Progress", "Proposal"]
