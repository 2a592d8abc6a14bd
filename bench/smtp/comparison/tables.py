"""Medians, and the tables made of them."""

from statistics import median

TITLES = {"intake": "Intake: from the first connect to the last 250",
          "relay": "End to end: from the first connect to the last message in the next hop"}
FIGURES = ("rate", "cpu_ms_per_message", "flushes_per_message", "writes_per_message", "bytes_per_message")


def medians(measurements, key, figures):
    """{key of a measurement: {figure: median, rate_low, rate_high, runs}}; None stands for not measured."""
    groups = {}
    for one in measurements:
        groups.setdefault(key(one), []).append(one)
    summary = {}
    for name, group in groups.items():
        summary[name] = {"rate_low": min(one.rate for one in group), "rate_high": max(one.rate for one in group),
                         "runs": len(group)}
        for figure in figures:
            values = [getattr(one, figure) for one in group if getattr(one, figure) is not None]
            summary[name][figure] = median(values) if values else None
    return summary


def summarize(measurements):
    """{(system, mode, clients): what medians() says}"""
    return medians(measurements, lambda one: (one.system, one.mode, one.clients), FIGURES)


def _joined(summary, system, mode, clients, figure, form):
    cells = [summary.get((system, mode, count)) for count in clients]
    return " / ".join(form.format(cell[figure]) if cell else "-" for cell in cells)


def _spread(summary, system, mode, clients):
    cells = [summary.get((system, mode, count)) for count in clients]
    return " / ".join(f"{cell['rate_low']:.0f} to {cell['rate_high']:.0f}" if cell else "-" for cell in cells)


def _times(summary, system, mode, clients):
    cells = []
    for count in clients:
        ours, theirs = summary.get((system, mode, count)), summary.get(("postfix", mode, count))
        cells.append(f"{ours['rate'] / theirs['rate']:.1f}" if ours and theirs else "-")
    return " / ".join(cells)


def markdown(summary, systems, modes, clients, heading):
    """One table a mode; each cell holds one value for each number of clients."""
    counts = " / ".join(map(str, clients))
    lines = [heading, ""]
    for mode in modes:
        lines += [f"### {TITLES[mode]}", "",
                  f"| at {counts} clients | messages/s | times Postfix | spread | CPU s per 1000 | flushes a message |"
                  " writes a message | KiB written a message |",
                  "|---|---|---|---|---|---|---|---|"]
        for system in systems:
            if not any((system, mode, count) in summary for count in clients):
                continue
            kib = {key: {**value, "kib": value["bytes_per_message"] / 1024} for key, value in summary.items()}
            lines.append(" | ".join((
                f"| {system}", _joined(summary, system, mode, clients, "rate", "{:.0f}"),
                _times(summary, system, mode, clients), _spread(summary, system, mode, clients),
                _joined(summary, system, mode, clients, "cpu_ms_per_message", "{:.3f}"),
                _joined(summary, system, mode, clients, "flushes_per_message", "{:.3f}"),
                _joined(summary, system, mode, clients, "writes_per_message", "{:.2f}"),
                _joined(kib, system, mode, clients, "kib", "{:.1f}"))) + " |")
        lines.append("")
    return "\n".join(lines)
