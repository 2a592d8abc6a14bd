"""Parts `faults` and `simulated`: a store in a process of its own, on a machine in memory."""

import subprocess
import time

from durability.processes import spawn, wait_for
from durability.storage import StorageFailure

MODES = {"faults": "faults", "simulated": "cuts"}


def run(plan, options, stop, progress):
    begun = time.monotonic()
    command = [options.stores / "brevdue-store-trials", "--backend", plan.backend, "--mode",
               MODES[plan.part], "--count", plan.count, "--seed", plan.seed]
    process = spawn(command, str(options.work / plan.name), stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT)
    done, checked, faults, other = 0, 0, [], []
    try:
        for line in process.stdout:
            stop.check()
            fields = line.decode(errors="replace").rstrip("\n").split("\t")
            if fields[0] in ("progress", "done"):
                done, checked = int(fields[1]), int(fields[2])
                progress(plan, done, f"{checked} checked")
            elif fields[0] == "fault":
                faults.append(f"--seed {plan.seed} --world {fields[1]}: {fields[2]}")
            else:
                other.append(fields[0])
    except BaseException:
        process.kill()
        raise
    finally:
        process.stdout.close()
        code = wait_for(process, 30)
    if code is None or code < 0:
        # An assertion or a crash of the store is a fault of the store.
        faults.append(f"the store's process ended with {code}: {' '.join(other[-5:])}")
    elif code != bool(faults) or (not faults and done < plan.count):
        raise StorageFailure(f"brevdue-store-trials ended with {code} after {done}: "
                             f"{' '.join(other[-5:])}")
    kinds = {"lost": "is lost", "altered": "another content", "back": "came back"}
    counts = {kind: sum(words in text for text in faults) for kind, words in kinds.items()}
    return counts | {"ghosts": 0, "other": len(faults) - sum(counts.values()),
                     "checked": checked, "until_first_fault": done if faults else 0,
                     "faults": faults + other,
                     "evidence": [], "seconds": round(time.monotonic() - begun, 1),
                     "verdict": "FAULTY" if faults else "good"}
