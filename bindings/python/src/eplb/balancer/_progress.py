"""What a loop has done so far."""

from __future__ import annotations

from typing import NamedTuple


class Progress(NamedTuple):
    """Counts since the balancer was made: what does not grow while serving goes on has stopped."""

    #: steps that were observed, and those of them in the open window
    steps: int
    open_steps: int
    #: windows closed, and those of them that are kept
    windows: int
    kept_windows: int
    #: plans, repairs and resizes that were made
    plans: int
    #: layers of the plan at hand that wait, and that are between prepare and commit
    waiting: int
    prepared: int
    #: layers committed and aborted, of all plans
    committed: int
    aborted: int
    #: slots whose expert changed by commits
    moved_slots: int
