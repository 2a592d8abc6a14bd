"""What the demo shows: a block that is drawn anew on a terminal, a line every half second elsewhere."""

import os


def milliseconds(microseconds):
    return f"{microseconds / 1000:.1f} ms" if microseconds else "-"


def ratio(value):
    return "-" if value is None else f"{value:.3f}"


class Screen:
    WIDTH = 30  # of the bar

    def __init__(self, out):
        self.out = out
        self.live = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.pause = 0.1 if self.live else 0.5
        self.drawn = 0
        self.messages = 1

    def bold(self, text):
        return f"\033[1m{text}\033[0m" if self.live else text

    def say(self, text):
        print(text, file=self.out, flush=True)

    def begin(self, name, messages):
        self.messages = messages
        self.drawn = 0
        self.say(self.bold(name[0].upper() + name[1:]))

    def show(self, counts):
        if self.live:
            self.draw(self.block(counts))
        else:
            self.say(self.line(counts))

    def end(self, counts):
        """The last state, with the figures of the whole load."""
        if self.live:
            self.draw(self.block(counts))
        self.drawn = 0
        self.say("")

    def abandon(self):
        """Leaves what is drawn, so that a message can follow it."""
        if self.drawn:
            self.say("")
        self.drawn = 0

    def draw(self, lines):
        up = f"\033[{self.drawn}A" if self.drawn else ""
        self.out.write(up + "".join(f"\r\033[2K{line}\n" for line in lines))
        self.out.flush()
        self.drawn = len(lines)

    def block(self, counts):
        filled = min(self.WIDTH, self.WIDTH * counts.accepted // self.messages)
        bar = "#" * filled + "." * (self.WIDTH - filled)
        return [
            f"  accepted (250)    {counts.accepted:8,}   {bar} {counts.seconds:5.1f} s",
            f"  durable           {counts.durable:8,}",
            f"  relayed           {counts.relayed:8,}",
            f"  in the queue      {counts.queued:8,}",
            f"  syncs a message   {ratio(counts.syncs_a_message()):>8}",
            f"  250 after p50     {milliseconds(counts.p50):>8}   p99 {milliseconds(counts.p99)}",
        ]

    def line(self, counts):
        return (f"{counts.seconds:5.1f} s  accepted {counts.accepted:5}  durable {counts.durable:5}  "
                f"relayed {counts.relayed:5}  queued {counts.queued:4}  syncs a message "
                f"{ratio(counts.syncs_a_message()):>5}  "
                f"250 after p50 {milliseconds(counts.p50)} p99 {milliseconds(counts.p99)}")
