"""The table of one file system, and the JSON of all."""

from matrix.cases import SEQUENTIAL, Case

COLUMNS = ("size", "writers", "workload", "system", "messages/s", "spread", "of bare", "MB/s", "p50 ms", "p99 ms",
           "messages a batch", "requests a batch", "flushes a batch", "requests a message", "flushes a message",
           "KiB written a message", "CPU us a message")

LEGEND = ("Requests are writes and explicit flushes; a flush within a journal's commit is counted among the flushes "
          "only. One write and one explicit flush read as 2 and 1.")


def markdown(heading, summary, cases, verdicts):
    lines = [heading, "", "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(_row(case, summary)) + " |" for case in _in_order(cases) if case in summary]
    lines += ["", LEGEND]
    if verdicts:
        lines += [""] + [f"- {one.text}" for one in verdicts]
    return "\n".join(lines) + "\n"


def _in_order(cases):
    """All of one size and number of writers together, the bare loop first."""
    workloads = {"batches": 0, "intake": 1, "growth": 2, "relay": 3}
    return sorted(cases, key=lambda case: (case.system == SEQUENTIAL, case.size, case.writers,
                                           workloads[case.workload]))


def _row(case, summary):
    figures = summary[case]
    bare = summary.get(Case("bare", "batches", case.size, case.writers))
    share = f"{figures['rate'] / bare['rate']:.0%}" if bare and case.system != SEQUENTIAL else "-"
    return (f"{case.size // 1024} KiB", str(case.writers), case.workload, case.name, f"{figures['rate']:.0f}",
            f"{figures['rate_low']:.0f} to {figures['rate_high']:.0f}", share,
            _cell(figures["bandwidth"], "{:.0f}", 1e-6), _cell(figures["p50_us"], "{:.2f}", 1e-3),
            _cell(figures["p99_us"], "{:.2f}", 1e-3), _cell(figures["messages_per_batch"], "{:.1f}"),
            _cell(figures["writes_per_batch"], "{:.2f}"), _cell(figures["flushes_per_batch"], "{:.2f}"),
            _cell(figures["writes_per_message"], "{:.3f}"), _cell(figures["flushes_per_message"], "{:.3f}"),
            _cell(figures["bytes_per_message"], "{:.1f}", 1 / 1024), _cell(figures["cpu_us_per_message"], "{:.1f}"))


def _cell(value, form, scale=1):
    return "-" if value is None else form.format(value * scale)


def as_json(about, summary, measurements, verdicts):
    return {"about": about,
            "medians": [{**vars(case), **figures} for case, figures in summary.items()],
            "verdicts": [vars(one) for one in verdicts],
            "runs": [one.as_dict() for one in measurements]}
