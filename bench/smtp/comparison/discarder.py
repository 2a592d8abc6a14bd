"""What smtp-source can give at most here: Postfix's smtp-sink, which throws everything away."""

import subprocess

from comparison.traffic import smtp_sink, wait_for_listener


class Discarder:
    """smtp-sink in the place of a mail server; nothing of it touches a disk."""

    def __init__(self, package, cpu, port):
        self.package = package
        self.cpu = cpu
        self.port = port
        self.process = None

    def start(self):
        self.process = subprocess.Popen(smtp_sink(self.package, self.port), env=self.package.environment(),
                                        preexec_fn=self.cpu.enter, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.cpu.track(self.process.pid)
        wait_for_listener(self.port, lambda: self.process.poll() is None)

    def delete_all(self):
        """There is nothing."""

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait()
        self.process = None
