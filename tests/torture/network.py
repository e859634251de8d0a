"""A network of its own for each server: myelin-link's namespaces, and what goes wrong in them."""
import os
import pathlib
import subprocess

TOOLS = pathlib.Path(os.environ.get("MYELIN_TOOLS", "build/tests")).resolve()


class Network:
    """Runs myelin-link; every name has an address and a namespace to run programs in."""

    def __init__(self, names, seed=0):
        self.addresses = {name: f"10.77.{i // 200}.{i % 200 + 1}" for i, name in enumerate(names)}
        ports = [f"{name}={address}" for name, address in self.addresses.items()]
        self.process = subprocess.Popen([str(TOOLS / "myelin-link"), str(seed), *ports], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.spaces = {}
        for line in self.process.stdout:
            words = line.split()
            if words == ["ready"]:
                return
            self.spaces[words[1]] = f"/proc/{self.process.pid}/fd/{words[2]}"
        raise RuntimeError("no network namespaces can be had here: " + self.process.stderr.read().strip())

    def inside(self, name):
        """What to put before a command to run it in the name's namespace."""
        return ["nsenter", f"--net={self.spaces[name]}", "--"]

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        answer = self.process.stdout.readline().split()
        if not answer or answer[0] != "ok":
            raise RuntimeError(f"myelin-link: {line}: {' '.join(answer)}")
        return answer[1:]

    def set(self, name, way="both", **conditions):
        """Conditions of the name's line, those not given ideal: delay_ms, loss, rate_bps, cut, reset."""
        self.ask(f"set {name} {way} " + " ".join(f"{key}={value}" for key, value in conditions.items()))

    def count(self, name):
        """(packets, dropped, resets) out of the namespace, and into it."""
        numbers = [int(word) for word in self.ask(f"count {name}")]
        return numbers[:3], numbers[3:]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()
        self.process.stderr.close()
