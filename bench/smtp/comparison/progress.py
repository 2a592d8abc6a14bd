"""Many measurements one after the other, with what is left of them."""

import sys
import time


def say(text):
    print(text, file=sys.stderr, flush=True)


def measured(cases, measure, describe):
    """Yields what `measure` makes of each case, in order. One that fails is reported, tried once more, and then
    ends it all. `describe` says in a few words what a measurement found."""
    started = time.monotonic()
    for done, case in enumerate(cases):
        try:
            one = measure(case)
        except RuntimeError as trouble:
            say(f"{case}: {trouble}; once more")
            one = measure(case)
        left = (time.monotonic() - started) / (done + 1) * (len(cases) - done - 1)
        say(f"[{done + 1}/{len(cases)}, {left / 60:.1f} min left] {case}: {describe(one)}")
        yield one
