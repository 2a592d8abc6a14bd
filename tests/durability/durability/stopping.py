"""Waiting that ends at once when the run is interrupted."""

import threading
import time


class Interrupted(Exception):
    """A signal asked the run to end."""


class Timeout(Exception):
    """A condition did not come true in time."""


class Stop:
    def __init__(self):
        self.asked = threading.Event()

    def check(self):
        if self.asked.is_set():
            raise Interrupted

    def pause(self, seconds):
        if self.asked.wait(seconds):
            raise Interrupted

    def until(self, condition, seconds, what, step=0.005):
        """The first true value of the condition."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() >= deadline:
                raise Timeout(f"{what}: not within {seconds:g} s")
            self.pause(step)
