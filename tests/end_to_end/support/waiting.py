"""Waiting for a condition, never for a time."""

import time

PATIENCE = 30.0  # seconds; only a broken program takes so long


def wait_for(condition, what, patience=PATIENCE):
    """Returns the first true value of condition(); fails with `what` when patience ends."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s in vain for {what() if callable(what) else what}")
        time.sleep(0.01)
