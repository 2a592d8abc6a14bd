"""Brevdue on a fresh spool, with one of its backends."""

import shutil
import signal
import subprocess
from pathlib import Path

from comparison.image import run
from comparison.traffic import wait_for_greeting


def _toml(value):
    if value.lower() in ("true", "false") or value.replace(".", "", 1).isdigit() or value[:1] in '"[':
        return value
    return f'"{value}"'


class Brevdue:
    """`brevdue serve` as an operator starts it."""

    def __init__(self, backend, program, spool, output, cpu, port, next_hop, settings):
        self.name = backend
        self.backend = backend
        self.program = program
        self.spool = Path(spool) / f"brevdue-{backend}"
        self.output = Path(output)
        self.run_folder = self.output / "run"
        self.cpu = cpu
        self.port = port
        self.next_hop = next_hop
        self.settings = settings
        self.process = None
        self.complaints = None

    def config_text(self):
        tables = {
            "": {"hostname": '"brevdue.load.test"', "mynetworks": '["127.0.0.0/8"]'},
            "queue": {"backend": f'"{self.backend}"', "path": f'"{self.spool}"'},
            "control": {"socket": f'"{self.run_folder}/control"'},
            "smtpd": {"processes": "1", "sessions_per_client_max": "2000"},
            "log": {"target": f'"{self.output}/brevdue-{self.backend}.log"'},
            "delivery": {"processes": "1", "relay_host": f'"127.0.0.1:{self.next_hop}"'},
        }
        for setting in self.settings:
            key, value = setting.split("=", 1)
            table, _, name = key.rpartition(".")
            tables.setdefault(table, {})[name] = _toml(value)
        text = ""
        for table, entries in tables.items():
            text += f"[{table}]\n" if table else ""
            text += "".join(f"{name} = {value}\n" for name, value in entries.items())
        return text + f'[[listen]]\naddress = "127.0.0.1:{self.port}"\n'

    def start(self):
        shutil.rmtree(self.spool, ignore_errors=True)
        # The role that opens the control socket may run under another account.
        self.run_folder.mkdir(exist_ok=True)
        self.run_folder.chmod(0o1777)
        config = self.output / f"brevdue-{self.backend}.toml"
        config.write_text(self.config_text())
        (self.output / f"brevdue-{self.backend}.log").write_text("")
        self.launch()
        wait_for_greeting(self.port, lambda: self.process.poll() is None)

    def launch(self):
        """Starts it on the spool as it is, and does not wait."""
        config = self.output / f"brevdue-{self.backend}.toml"
        self.complaints = open(self.output / f"brevdue-{self.backend}.stderr", "wb")
        self.process = subprocess.Popen([self.program, "serve", "-c", config], preexec_fn=self.cpu.enter,
                                        start_new_session=True, stdin=subprocess.DEVNULL,
                                        stdout=self.complaints, stderr=self.complaints)
        self.cpu.track(self.process.pid)

    def delete_all(self):
        """What is queued."""
        run(self.program, "queue", "delete", "--all", "-c", self.output / f"brevdue-{self.backend}.toml")

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        self.complaints.close()
