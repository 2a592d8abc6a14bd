"""What the stores are asked for, and what a run says to it."""

from dataclasses import dataclass

from matrix.cases import SEQUENTIAL, Case

KIB4, KIB64 = 4096, 65536
# A segment that is used up takes three small writes: its footer, and the headers of the next one and of
# the one given up.
SEGMENT_BYTES, WRITES_A_SEGMENT = 64 << 20, 3
# What the counts may be off by: a request that is under way when they are read.
COUNTING = 0.01


@dataclass(frozen=True)
class Goal:
    system: str
    size: int
    writers: int
    kind: str  # rate; bare or fio: the share of that; one-write
    asked: float = 0
    wanted: float = 0  # beyond what is asked for; 0: nothing
    workload: str = "intake"

    @property
    def case(self):
        return Case(self.system, self.workload, self.size, self.writers)


FAST = (
    Goal("iouring", KIB4, 64, "bare", 0.70), Goal("iouring", KIB4, 256, "bare", 0.70),
    # Where segments come back: what makes new ones in the background is in no batch.
    *(Goal("iouring", KIB4, writers, "one-write", workload="relay") for writers in (1, 8, 64, 256)),
    Goal("lmdb", KIB4, 64, "rate", 60_000), Goal("lmdb", KIB4, 256, "rate", 120_000),
    Goal("maildir", KIB4, 64, "rate", 10_000), Goal("maildir", KIB4, 256, "rate", 13_000),
    Goal("iouring", KIB64, 64, "fio", 0.45, 0.70),
)
SLOW = (Goal("iouring", KIB4, 64, "rate", 3_600), Goal("lmdb", KIB4, 64, "rate", 950),
        Goal("maildir", KIB4, 64, "rate", 240))


@dataclass(frozen=True)
class Verdict:
    text: str
    reached: bool


def goals_for(slow, file_system):
    """btrfs has a table and no goals."""
    if file_system == "btrfs":
        return ()
    return SLOW if slow else FAST


def verdicts(goals, summary, measurements):
    """One for each goal whose case, and what it is compared with, was measured."""
    found = (_verdict(goal, summary, measurements) for goal in goals if goal.case in summary)
    return [one for one in found if one]


def _verdict(goal, summary, measurements):
    subject = f"{goal.system}, {goal.workload}, {goal.writers} writers of {goal.size // 1024} KiB"
    figures = summary[goal.case]
    if goal.kind == "rate":
        return _ended(goal, f"{subject}: {figures['rate']:,.0f} a second "
                            f"({figures['rate_low']:,.0f} to {figures['rate_high']:,.0f}), {goal.asked:,.0f} asked for",
                      figures["rate"])
    if goal.kind == "one-write":
        # The log's flushes are all explicit ones, which the kernel counts among the writes.
        flushes = figures["flushes_per_batch"]
        writes = figures["writes_per_batch"] - flushes
        segments = figures["bytes_per_message"] * figures["messages_per_batch"] / SEGMENT_BYTES
        most = 1 + WRITES_A_SEGMENT * segments + COUNTING
        reached = all(1 - COUNTING <= count <= most for count in (writes, flushes))
        return Verdict(f"{subject}: {writes:.3f} writes and {flushes:.3f} flushes a batch, one of each asked for "
                       f"(with the changes of segments, up to {most:.3f}): {_word(reached)}", reached)
    other = Case("bare", "batches", goal.size, goal.writers) if goal.kind == "bare" else \
        Case(SEQUENTIAL, "batches", 1 << 20, 32)
    if other not in summary:
        return None
    share = figures["bandwidth"] / summary[other]["bandwidth"]
    low, high = _shares_by_turn(goal.case, other, measurements)
    against = "the bare loop" if goal.kind == "bare" else "fio's sequential bandwidth"
    return _ended(goal, f"{subject}: {share:.0%} of {against} ({low:.0%} to {high:.0%} by the rounds), "
                        f"{goal.asked:.0%} asked for", share)


def _shares_by_turn(case, other, measurements):
    turns = {}
    for one in measurements:
        turns.setdefault(one.turn, {})[one.case] = one.bandwidth
    shares = [turn[case] / turn[other] for turn in turns.values() if case in turn and other in turn]
    return min(shares, default=0), max(shares, default=0)


def _ended(goal, text, value):
    reached = value >= goal.asked
    text += ": " + _word(reached)
    if goal.wanted:
        text += f" ({goal.wanted:.0%} wanted: {_word(value >= goal.wanted)})"
    return Verdict(text, reached)


def _word(reached):
    return "reached" if reached else "missed"
