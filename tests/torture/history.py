"""A seeded history of puts, gets, forwards, revocations and removals on a system whose servers fail, and
whether each answer was allowed."""
import collections
import dataclasses
import json
import random
import re
import shutil
import threading
import time

from fleet import FAULTS, HOUR
from matrix import READ_BOUND_S, WRITE_BOUND_S
from model import (DONE, INTEGRITY, MUST, MUST_NOT, NOT_FOUND, OTHER, TOO_FEW, Image, Limits, Troubles, Wrong)

USERS = ("alice", "bob", "carol")
LANES = 3  # operations at a time, on different images


@dataclasses.dataclass
class Step:
    """One operation as it went."""
    lane: int
    verb: str
    image: str
    user: str  # None: the manager
    faults: str
    code: int
    seconds: float


def named(text):
    """The storage servers that an answer names."""
    return set(re.findall(r"storage-\d+", text))


class History:
    """Runs rounds on a fleet. Everything random follows from the seed, but for when processes run. Times are
    bounded by `slow` times what is promised: this is no measurement, and machines are busy."""

    def __init__(self, fleet, seed, slow=3.0, verbose=False):
        self.fleet, self.slow, self.verbose = fleet, slow, verbose
        self.rng = random.Random(seed)
        self.limits = Limits(fleet.n, fleet.k, fleet.m, fleet.t)
        self.images = [{} for _ in range(LANES)]  # by lane, by id
        self.steps, self.wrong = [], []
        self.lock = threading.Lock()
        self.broken = set()  # servers in trouble at any time of this round
        self.numbers = collections.Counter()
        self.keys_borne = dict.fromkeys(USERS, self.limits.keys)
        self.changes = []  # of the servers, as the manager made them
        self.moving = False  # the last change is not settled yet

    # -------------------------------------------------------------- faults

    def choose_faults(self):
        """{server: fault}: harmless ones anywhere, others on as many as the system bears, or one more."""
        faults = {}
        harmful = [name for name, fault in FAULTS.items() if not fault.harmless]
        harmless = [name for name, fault in FAULTS.items() if fault.harmless]
        for servers, most in ((self.fleet.storage, self.limits.n - self.limits.k),
                              (self.fleet.keys, self.limits.keys)):
            count = self.rng.choice([0, 1, 1, self.rng.randint(0, most), most, most + (self.rng.random() < 0.2)])
            for server in self.rng.sample(servers, count):
                faults[server] = self.rng.choice(harmful)
            for server in self.rng.sample(servers, self.rng.choice([0, 0, 1, len(servers)])):
                faults.setdefault(server, self.rng.choice(harmless))
        return faults

    def troubles(self, user=None):
        return Troubles(frozenset(self.broken & set(self.fleet.storage)), frozenset(self.broken & set(self.fleet.keys)),
                        self.keys_borne.get(user, self.limits.keys))

    def keys_suffice(self, user):
        troubles = self.troubles(user)
        return len(troubles.keys) <= troubles.keys_borne

    # -------------------------------------------------------------- operations

    def run(self, lane, verb, image, user, *args, rng=None):
        start = time.monotonic()
        answer = self.fleet.run(*args, user=user, timeout=300)
        took = time.monotonic() - start
        bound = self.slow * (READ_BOUND_S if verb in ("get", "ls", "inbox") else WRITE_BOUND_S)
        if took > bound:
            raise Wrong(f"{verb} {image} by {user}: {took:.1f} s, more than {bound:.0f} s")
        with self.lock:
            faults = "+".join(sorted(set(self.fleet.faults.values()))) or "none"
            self.steps.append(Step(lane, verb, image, user, faults, answer.code, took))
            if self.verbose:
                print(f"  {verb:8s} {image:12s} {user or '-':6s} exit {answer.code} {took:6.2f} s  [{faults}]"
                      f" {answer.err.strip()[:150] if answer.code else ''}", flush=True)
        return answer

    def make(self, lane, rng, image):
        """One to three files with names that are new in the image, and contents that are new anywhere."""
        paths = []
        for _ in range(rng.choice([1, 1, 2, 3])):
            self.numbers[lane] += 1
            image.files += 1
            size = rng.choice([1, 5000, 300_000, 1 << 20, 3 << 20])
            paths.append(self.fleet.make(f"{lane}-{image.files}.bin", size, seed=self.numbers[lane]))
        return paths

    def put(self, lane, rng, image):
        paths = self.make(lane, rng, image)
        how = ["--disperse", "blocks"] if rng.random() < 0.2 else []
        answer = self.run(lane, "put", image.id, image.owner, "put", *how, "--id", image.id, *paths)
        objects = {path.name: path.read_bytes() for path in paths}
        for path in paths:
            path.unlink()
        failing = self.troubles().storage | image.lacking
        can_open = image.certain == {} or self.keys_suffice(image.owner)  # to add to an image
        if answer.code != DONE and len(failing) <= self.limits.n - self.limits.quorum and can_open:
            raise Wrong(f"put {image.id}: exit {answer.code} with {sorted(failing)} in trouble: {answer.err}")
        image.put(objects, answer.code)
        image.lacking |= named(answer.err)
        if answer.code == DONE:
            image.removed = None

    def get(self, lane, rng, image, user=None):
        user = user or rng.choice(USERS)
        into = self.fleet.folder / f"out-{lane}"
        owner = [] if user == image.owner else ["--from", image.owner]
        answer = self.run(lane, "get", image.id, user, "get", image.id, *owner, "-o", into)
        objects = {path.name: path.read_bytes() for path in into.iterdir()} if into.exists() else {}
        shutil.rmtree(into, ignore_errors=True)
        if answer.code != DONE and objects:
            raise Wrong(f"get {image.id}: a get that failed left {sorted(objects)}")
        image.check_read(user, answer.code, objects, self.troubles(user), answer.err.strip())
        return answer.code, objects

    def forward(self, lane, rng, image):
        recipient = rng.choice([user for user in USERS if user != image.owner])
        answer = self.run(lane, "forward", image.id, image.owner, "forward", image.id, "--to", recipient, "--json")
        troubles = self.troubles()
        is_easy = (len(troubles.storage | image.lacking) <= self.limits.n - self.limits.k and
                   self.keys_suffice(image.owner) and image.removed is None)
        if answer.code != DONE and is_easy:
            raise Wrong(f"forward {image.id}: exit {answer.code}: {answer.err}")
        servers = answer.json()[0]["servers"] if answer.code == DONE else 0
        image.forwarded(recipient, servers, answer.code)

    def revoke(self, lane, rng, image):
        recipient = rng.choice(sorted(image.readers))
        answer = self.run(lane, "revoke", image.id, image.owner, "revoke", image.id, "--from", recipient)
        troubles = self.troubles()
        is_easy = (len(troubles.storage | image.lacking) < self.limits.k or
                   len(troubles.keys) < self.limits.t)
        code = answer.code
        if code == NOT_FOUND and image.readers[recipient][0] != MUST:
            code = DONE  # it was never forwarded, or revoked already
        if code != DONE and is_easy:
            raise Wrong(f"revoke {image.id}: exit {code}: {answer.err}")
        image.revoked(recipient, code)

    def remove(self, lane, rng, image):
        answer = self.run(lane, "rm", image.id, image.owner, "rm", image.id)
        is_easy = len(self.troubles().storage | image.lacking) < self.limits.k and image.removed is None
        if answer.code != DONE and is_easy:
            raise Wrong(f"rm {image.id}: exit {answer.code}: {answer.err}")
        code = TOO_FEW if answer.code == NOT_FOUND else answer.code
        image.removed_with(code)
        image.lacking |= named(answer.err)

    def delete(self, lane, rng, image):
        """Some objects, never all."""
        names = rng.sample(sorted(image.certain), rng.randint(1, len(image.certain) - 1))
        answer = self.run(lane, "delete", image.id, image.owner, "rm", image.id, "--object", *names)
        failing = len(self.troubles().storage | image.lacking)
        if answer.code != DONE and failing < self.limits.k and failing <= self.limits.n - self.limits.k:
            raise Wrong(f"rm of objects of {image.id}: exit {answer.code}: {answer.err}")
        image.deleted(names, answer.code)
        image.lacking |= named(answer.err)

    def mend(self, lane, rng, image):
        """Verify or repair: whatever fails meanwhile, they say what they know and break nothing."""
        verb = rng.choice(["verify", "repair"])
        answer = self.run(lane, verb, image.id, image.owner, verb, image.id)
        if answer.code not in (DONE, TOO_FEW, INTEGRITY):
            raise Wrong(f"{verb} {image.id}: exit {answer.code}: {answer.err}")

    def refresh(self, lane, user):
        """New shares. Broken off, the old ones work or the new ones, at enough key servers."""
        self.keys_borne[user] = min(self.keys_borne[user], (self.limits.m - self.limits.t) // 2)
        answer = self.run(lane, "refresh", "-", user, "shares", "refresh")
        if answer.code not in (DONE, OTHER, TOO_FEW):
            raise Wrong(f"shares refresh of {user}: exit {answer.code}: {answer.err}")

    def operate(self, lane, rng):
        """One operation that makes sense for the lane's images as they are."""
        images = self.images[lane]
        known = [image for image in images.values() if image.is_there() and image.removed is None]
        chance = rng.random()
        if not known or chance < 0.25:
            gone = [image for image in images.values() if image.removed == MUST_NOT and not image.possible]
            if gone and rng.random() < 0.4:
                return self.put(lane, rng, rng.choice(gone))
            if known and rng.random() < 0.4:
                return self.put(lane, rng, rng.choice(known))
            image = Image(rng.choice(USERS), f"image {lane}.{len(images)}", self.limits)
            images[image.id] = image
            return self.put(lane, rng, image)
        image = rng.choice(known)
        if chance < 0.45:
            return self.forward(lane, rng, image)
        if chance < 0.53 and image.readers:
            return self.revoke(lane, rng, image)
        if chance < 0.57:
            return self.remove(lane, rng, image)
        if chance < 0.62 and len(image.certain) > 1:
            return self.delete(lane, rng, image)
        if chance < 0.66:
            return self.mend(lane, rng, image)
        if chance < 0.69:
            return self.refresh(lane, USERS[lane])
        return self.get(lane, rng, rng.choice(sorted(images.values(), key=lambda i: i.id)))

    def lane_run(self, lane, rng, operations):
        try:
            for _ in range(operations):
                self.operate(lane, rng)
        except Wrong as wrong:
            with self.lock:
                self.wrong.append(wrong)
        except Exception as error:  # a defect of the test must not pass as success
            with self.lock:
                self.wrong.append(error)
            raise

    # -------------------------------------------------------------- rounds

    def round(self):
        """Operations begin, then faults strike, or the other way round; all end; servers are healed."""
        faults = self.choose_faults()
        self.broken = {server for server, name in faults.items() if not FAULTS[name].harmless}
        if self.rng.random() < 0.3:  # the client's own clock
            self.fleet.shims["client"].set(clock_s=self.rng.choice([-1, 1]) * self.rng.uniform(0, 48) * HOUR)
        early = self.rng.random() < 0.6
        if early:
            self.strike(faults)
        lanes = [threading.Thread(target=self.lane_run, args=(lane, random.Random(self.rng.random()), 2))
                 for lane in range(LANES)]
        for thread in lanes:
            thread.start()
        if not early:
            time.sleep(self.rng.uniform(0, 0.4))
            self.strike(faults)
        for thread in lanes:
            thread.join()
        self.fleet.heal()
        self.fleet.shims["client"].set()
        self.fleet.alive()
        if self.wrong:
            raise self.wrong[0]

    def strike(self, faults):
        if self.verbose:
            print(f" faults: {faults}", flush=True)
        for server, fault in faults.items():
            self.fleet.break_server(server, fault)

    def settle(self):
        """With all servers well: every image is read by everybody, and lists are exact."""
        self.broken = set()
        for lane, images in enumerate(self.images):
            for image in images.values():
                self.settle_image(lane, image)
        for user in USERS:
            self.make_whole(user)
            self.check_lists(user)
        self.change_servers()

    def make_whole(self, user):
        """Repair makes good what faults cost; then every slice is there, and every share."""
        if self.keys_borne[user] < self.limits.keys:
            answer = self.run(0, "refresh", "-", user, "shares", "refresh")
            if answer.code != DONE:
                raise Wrong(f"shares refresh of {user} with all servers well: exit {answer.code}: {answer.err}")
            if not answer.err.strip():
                self.keys_borne[user] = self.limits.keys
        for verb in ("repair", "verify"):
            answer = self.run(0, verb, "-", user, verb)
            if answer.code != DONE:
                raise Wrong(f"{verb} of {user} with all servers well: exit {answer.code}: {answer.out}{answer.err}")
        for images in self.images:
            for image in images.values():
                if image.owner == user and image.is_there():
                    image.repaired()

    def change_servers(self):
        """The manager settles the last change of the storage servers, and makes the next: slots move while
        the coming rounds go on."""
        if self.moving:
            self.wait_settled()
        fleet, rng = self.fleet, self.rng
        drained = [name for verb, name in self.changes if verb == "drain"]
        gone = [name for verb, name in self.changes if verb == "remove"]
        active = [name for name in fleet.storage if name not in drained]
        leaving = [name for name in drained if name not in gone]
        if fleet.spares and len(active) <= fleet.n:
            change = ("add", fleet.join())
        elif leaving:
            change = ("remove", leaving[0])
            fleet.leave(leaving[0])
        elif len(active) > fleet.n:
            change = ("drain", rng.choice(active))
            fleet.must("system", "drain", change[1])
        else:
            change = ("weight", rng.choice(active))
            fleet.must("system", "weight", change[1], str(rng.choice([50, 100, 200])))
        self.changes.append(change)
        self.moving = True
        if self.verbose:
            print(f" the manager: {' '.join(change)}", flush=True)

    def wait_settled(self, patience=60):
        deadline = time.monotonic() + patience * self.slow
        while True:
            answer = self.run(0, "settle", "-", None, "system", "settle")
            if answer.code == DONE:
                break
            if time.monotonic() > deadline:
                raise Wrong(f"after {self.changes[-1:]} slots do not come to rest: {answer.err}")
            time.sleep(1)
        self.moving = False

    def settle_image(self, lane, image):
        """Read by its owner, by everybody it was ever forwarded to, and by one who may be a stranger. One
        that was gone the last time is left alone."""
        if image.gone and not image.certain and not image.possible:
            return
        code, objects = self.get(lane, self.rng, image, user=image.owner)
        if image.possible or image.removed:
            image.settle(code, objects)
        others = [user for user in USERS if user != image.owner]
        for user in sorted({self.rng.choice(others), *image.readers}):
            self.get(lane, self.rng, image, user=user)
            if image.readers.get(user, [MUST_NOT])[0] not in (MUST, MUST_NOT):
                self.revoke_surely(lane, image, user)
        image.gone = not image.certain

    def revoke_surely(self, lane, image, user):
        """What a failed forward or revocation left open is closed."""
        answer = self.run(lane, "revoke", image.id, image.owner, "revoke", image.id, "--from", user)
        if answer.code not in (DONE, NOT_FOUND):
            raise Wrong(f"revoke {image.id} with all servers well: exit {answer.code}: {answer.err}")
        image.readers.pop(user)

    def check_lists(self, user):
        images = [image for lane in self.images for image in lane.values()]
        mine = json.loads(self.run(0, "ls", "-", user, "ls", "--json").out)
        want = {image.id for image in images if image.owner == user and image.is_there()}
        if {row["id"] for row in mine} != want:
            raise Wrong(f"ls of {user}: {sorted(row['id'] for row in mine)}, expected {sorted(want)}")
        theirs = json.loads(self.run(0, "inbox", "-", user, "inbox", "--json").out)
        want = {image.id for image in images
                if image.is_there() and image.readers.get(user, [MUST_NOT])[0] == MUST}
        if {row["id"] for row in theirs} != want:
            raise Wrong(f"inbox of {user}: {sorted(row['id'] for row in theirs)}, expected {sorted(want)}")
