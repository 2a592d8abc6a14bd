"""One measurement, and the order in which all are made."""

import time
from dataclasses import asdict, dataclass

from comparison.accounting import DiskCounters
from comparison.brevdue import Brevdue
from comparison.discarder import Discarder
from comparison.postfix import Postfix
from comparison.traffic import BlackHole, free_port


@dataclass(frozen=True)
class Case:
    system: str
    mode: str
    clients: int

    def __str__(self):
        return f"{self.system} {self.mode} at {self.clients}"


@dataclass
class Measurement:
    system: str
    mode: str
    clients: int
    messages: int
    seconds: float
    rate: float
    cpu_ms_per_message: float
    writes_per_message: float
    flushes_per_message: float
    bytes_per_message: float

    def as_dict(self):
        return asdict(self)


def plan(systems, modes, clients, repeat):
    """All cases of a round, then the next round; the systems take turns in being first."""
    order = []
    for turn in range(repeat):
        first = turn % len(systems)
        rotated = systems[first:] + systems[:first]
        order += [Case(system, mode, count) for mode in modes for count in clients for system in rotated
                  if mode == "intake" or system != "smtp-sink"]
    return order


# On a slow disk the systems are so far apart that no number of messages suits all: as many as this takes.
SLOW_SECONDS = 8

# After mail was deleted: the store takes back its room beside its work.
TAKING_BACK_SECONDS = 2


def messages_for(clients, messages):
    """A lone client is bound by latency: a quarter of the messages says as much."""
    return max(clients, messages // 4 if clients == 1 else messages)


def messages_at(rate, clients, messages):
    """For SLOW_SECONDS at this rate; a few of each client at least."""
    return int(min(max(rate * SLOW_SECONDS, clients * 5), messages))


class Bench:
    """Makes measurements: a fresh spool, start, warm-up, measurement, stop."""

    def __init__(self, options, package, image, cpu, traffic, output):
        self.options = options
        self.package = package
        self.image = image
        self.cpu = cpu
        self.traffic = traffic
        self.output = output

    def measure(self, case):
        self.image.clear()
        hole = BlackHole() if case.mode == "intake" else None
        server = self._make_server(case, hole.port if hole else free_port())
        try:
            server.start()
            return self._intake(case, server) if hole else self._relay(case, server)
        finally:
            server.stop()
            self.cpu.drain()
            if hole:
                hole.close()

    def _make_server(self, case, next_hop):
        port = free_port()
        if case.system == "smtp-sink":
            return Discarder(self.package, self.cpu, port)
        if case.system == "postfix":
            # With a next hop that never greets a few idle client processes are enough.
            concurrency = 2 if case.mode == "intake" else self.options.postfix_concurrency
            return Postfix(self.package, self.image.mount_point, self.output, self.cpu, port, next_hop,
                           concurrency)
        return Brevdue(case.system, self.options.brevdue_bin / "brevdue", self.image.mount_point, self.output,
                       self.cpu, port, next_hop, self.options.brevdue_set)

    def _patience(self):
        return 60 + self.options.messages / 10

    def _warm_up(self, case):
        """How many messages to warm up with."""
        if self.options.used_spool:
            return messages_for(case.clients, self.options.messages)
        if self.options.slow:
            return case.clients * 10
        return max(case.clients * 2, min(500, messages_for(case.clients, self.options.messages) // 10))

    def _messages(self, case, warm, seconds):
        """How many messages to measure, after so many took so long."""
        if self.options.slow:
            return messages_at(warm / seconds, case.clients, self.options.messages)
        return messages_for(case.clients, self.options.messages)

    def _intake(self, case, server):
        warm = self._warm_up(case)
        start, end = self.traffic.send(server.port, case.clients, warm, self.options.size, self._patience())
        messages = self._messages(case, warm, end - start)
        if self.options.used_spool:
            server.delete_all()
            time.sleep(TAKING_BACK_SECONDS)
        before = self._counters()
        start, end = self.traffic.send(server.port, case.clients, messages, self.options.size, self._patience())
        return self._result(case, messages, end - start, before)

    def _relay(self, case, server):
        warm = self._warm_up(case)
        messages = self._messages(case, warm, self._through(case, server, warm))
        # The sink of the warm-up has ended: what the server knows of the next hop, it may keep.
        sink = self.traffic.start_sink(server.next_hop, messages)
        try:
            before = self._counters()
            start, _ = self.traffic.send(server.port, case.clients, messages, self.options.size, self._patience())
            end = sink.wait(self._patience())
            return self._result(case, messages, end - start, before)
        finally:
            sink.close()

    def _through(self, case, server, messages):
        sink = self.traffic.start_sink(server.next_hop, messages)
        try:
            start, _ = self.traffic.send(server.port, case.clients, messages, self.options.size, self._patience())
            seconds = sink.wait(self._patience()) - start
        finally:
            sink.close()
        # The last results are settled and idle connections are seen to be closed.
        time.sleep(0.5)
        return seconds

    def _counters(self):
        return self.cpu.seconds(), DiskCounters.read(self.image.device)

    def _result(self, case, messages, seconds, before):
        cpu, disk = self._counters()
        disk = disk.since(before[1])
        return Measurement(case.system, case.mode, case.clients, messages, seconds, messages / seconds,
                           (cpu - before[0]) * 1000 / messages, disk.writes / messages,
                           disk.flushes / messages, disk.bytes / messages)
