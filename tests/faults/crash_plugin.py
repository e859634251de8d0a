"""The Orthanc plugin's spool and map: what the plugin's own parts do on a disk that fails (plugin_disk.c)."""
import shutil
import subprocess

from crash_client import ClientOperation
from crash_world import BIN, SLOW, environment

PROGRAM = BIN.parent / "tests/myelin-plugin-disk"
STEPS = {"create", "created", "refused", "remove", "removed", "kept"}


class PluginDisk(ClientOperation):
    """Attachments that Orthanc creates and removes while others are sent. What was acknowledged is there, at
    the start and when the spool is empty; of what was refused there is nothing, or what the keeper takes away
    because Orthanc's index does not have it; nothing waits for ever and no file is left."""
    name = "plugin's spool and map"

    def root(self, w):
        return w.folder / "plugin" / "folder"

    def command(self, w, what="run"):
        servers = self.root(w).parent / "servers"
        said = [self.said(w)] if what == "run" else []
        return [str(word) for word in (PROGRAM, what, self.root(w), servers, *said)]

    def said(self, w):
        return self.root(w).parent / "said"

    def prepare(self, w):
        shutil.rmtree(self.root(w).parent, ignore_errors=True)
        self.root(w).parent.mkdir()
        self.look(w)  # makes the folders
        self.was_cut = False

    def finish(self, w):
        """There are no servers."""

    def replace(self, w, tree):
        super().replace(w, tree)
        self.was_cut = True

    def look(self, w):
        """{(when, number): (what is read, what the map says)}"""
        try:
            answer = subprocess.run(self.command(w, "check"), env=environment(w), capture_output=True, text=True,
                                    check=False, timeout=60 * SLOW)
        except subprocess.TimeoutExpired as hung:
            raise AssertionError(f"it hangs: {hung.stdout}\n{hung.stderr}") from hung
        assert answer.returncode == 0, f"it does not start: {answer.stderr}"
        lines = [line.split() for line in answer.stdout.splitlines()]
        bad = [line for line in lines if len(line) != 4]
        assert not bad, f"{bad}\n{answer.stderr[:2000]}"
        return {(when, int(number)): (seen, known) for when, number, seen, known in lines}

    def allowed(self, step):
        """What may be seen of an attachment whose last step was this. What the map does not know to be in Orthanc's
        index is not lost: the keeper asks the index."""
        gone, here = ("gone", "unknown"), ("right", "indexed")
        unsure = {gone, here, ("right", "unconfirmed")}
        if step == "removed":
            return unsure if self.was_cut else {gone}
        return {None: {gone}, "created": {here, ("right", "unconfirmed")}, "refused": {gone, ("right", "unconfirmed")}}.get(step, unsure)

    def check(self, w, acked):
        steps = {}
        for line in self.said(w).read_text().splitlines() if self.said(w).exists() else []:
            step, number = line.split()
            assert step in STEPS
            steps[int(number)] = step
        for (when, number), got in self.look(w).items():
            step = steps.get(number)
            assert got in self.allowed(step), f"{number}, last step {step}: {when}: {got}"


PLUGIN_OPERATIONS = [PluginDisk()] if PROGRAM.exists() else []
