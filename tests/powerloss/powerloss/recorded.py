"""Part `recorded`: one run on the recording disk, then its medium after each of many cuts."""

import collections
import shutil
import subprocess
import time

from durability.processes import spawn, wait_for
from durability.storage import StorageFailure

from . import scratch
from .recording import Recording
from .verdict import FAULTS, Cut, Found, Judge, Told

CUTS_A_RECORDING = 250
RECORDED_SECONDS = 4


class CutLines:
    """The output of brevdue-recorded-cuts, cut by cut."""

    def __init__(self, process):
        self.process = process
        self.events = 0

    def __iter__(self):
        cut = None
        for line in self.process.stdout:
            fields = line.decode(errors="replace").rstrip("\n").split("\t")
            if fields[0] == "events":
                self.events = int(fields[1])
            elif fields[0] == "cut":
                cut = Cut(int(fields[1]), int(fields[2]), fields[3], int(fields[4]))
            elif fields[0] == "found":
                cut.found.append(Found.of(fields[1:]))
            elif fields[0] == "damage":
                cut.damage.append(fields[1])
            elif fields[0] == "repaired":
                cut.repaired = True
            elif fields[0] == "failed":
                cut.failure = (fields[1], fields[2])
                yield cut
            elif fields[0] == "ok":
                yield cut
            else:
                raise StorageFailure(f"brevdue-recorded-cuts says {line!r}")


def sweep(recording, plan, options, count, sector, seed, each):
    """Calls `each` with every cut. Returns how many events the record has."""
    images = scratch.in_memory(options.work)
    with open(recording.folder / "cuts.log", "ab") as errors:
        command = [options.stores / "brevdue-recorded-cuts", "--record", recording.record,
                   "--config", recording.config, "--mount", recording.mount,
                   "--file-system", plan.file_system, "--work", images, "--cuts", count,
                   "--from", recording.load_began, "--torn", sector, "--seed", seed]
        process = spawn(command, recording.mark, stdout=subprocess.PIPE, stderr=errors)
        lines = CutLines(process)
        seen = 0
        try:
            for cut in lines:
                seen += 1
                recording.stop.check()
                each(cut)
        except BaseException:
            process.kill()
            raise
        finally:
            process.stdout.close()
            code = wait_for(process, 30)
            shutil.rmtree(images, ignore_errors=True)
    if code != 0 or seen != count:
        said = (recording.folder / "cuts.log").read_text(errors="replace")[-500:]
        raise StorageFailure(f"brevdue-recorded-cuts ended with {code} after {seen} cuts: {said}")
    return lines.events


def run(plan, options, stop, progress):
    """As many recordings as the cuts need; the result as a dictionary."""
    begun = time.monotonic()
    counts = collections.Counter(
        dict.fromkeys((*FAULTS, "unmountable", "set_aside", "events", "checked"), 0))
    words, evidence = [], []
    for number, at in enumerate(range(0, plan.count, CUTS_A_RECORDING)):
        recording = Recording(plan.backend, plan.file_system, options,
                              options.work / f"{plan.name}-{number}", stop)
        recording.make(options.seconds or RECORDED_SECONDS, plan.seed + number)
        judge = Judge(plan.backend, Told(recording.folder))

        def each(cut):
            judge.judge(cut)
            done = at + judge.counts["cuts"]
            if judge.words and not counts["until_first_fault"]:
                counts["until_first_fault"] = done
            progress(plan, done, f"{counts['checked'] + judge.counts['checked']} checked")

        counts["events"] += sweep(recording, plan, options, min(CUTS_A_RECORDING, plan.count - at),
                                  plan.sector, plan.seed + number, each)
        counts.update(judge.counts)
        counts["acknowledged"] += recording.acknowledged
        words += judge.words
        faulty = any(judge.counts[name] for name in (*FAULTS, "unmountable"))
        if faulty:
            evidence.append(str(recording.folder))
            # The record of one fault is enough, and large.
            break
        recording.remove()
    faults = sum(counts[name] for name in FAULTS)
    if counts["unmountable"] and not faults:
        raise StorageFailure(f"{counts['unmountable']} images cannot be mounted, such as "
                             f"{words[0]}; the record is in {evidence[-1]}")
    return dict(counts) | {"ghosts": counts["ghosts"] + counts["twice"],
                           "back": counts["resurrected"],
                           "other": counts["damaged"] + counts["unrecovered"],
                           "remark": f"{counts['events']} events recorded, "
                                     f"{counts['repaired']} file systems mended",
                           "faults": words, "evidence": evidence,
                           "seconds": round(time.monotonic() - begun, 1),
                           "verdict": "FAULTY" if faults else "good"}
