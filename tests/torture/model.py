"""What must be true: each image as its acknowledged operations have left it, and what every answer says
about it. An operation that failed may have happened whole or not at all; until all servers are well
again, both are believed."""
import dataclasses

DONE, OTHER, USAGE, NOT_FOUND, DENIED, TOO_FEW, INTEGRITY, LOCAL_IO = range(8)

MUST, MAY, MUST_NOT = "must", "may", "must not"


class Wrong(AssertionError):
    """The system broke a promise."""


@dataclasses.dataclass
class Limits:
    """What a system of this shape bears."""
    n: int
    k: int
    m: int
    t: int

    @property
    def quorum(self):
        return self.k + (self.n - self.k + 1) // 2

    @property
    def storage_after_put(self):
        """Storage servers that may fail once a put was acknowledged: it was by `quorum` at least."""
        return self.quorum - self.k

    @property
    def keys(self):
        return self.m - self.t


@dataclasses.dataclass
class Troubles:
    """Which servers were in trouble at any time during an operation."""
    storage: frozenset = frozenset()
    keys: frozenset = frozenset()
    keys_borne: int = 2  # key servers that this user can do without at the moment


class Image:
    """One image: which objects it has, who may read it."""

    def __init__(self, owner, identifier, limits):
        self.owner, self.id, self.limits = owner, identifier, limits
        self.certain = {}   # objects of acknowledged puts: name: bytes
        self.possible = []  # objects of each put that failed
        self.doubtful = {}  # objects whose deletion failed: each there as it was, or not
        self.removed = None  # None, MAY where the removal failed, or MUST_NOT
        self.lacking = set()  # storage servers that missed a put or removal of it
        self.files = 0
        self.gone = False   # as all servers, being well, said
        self.readers = {}   # recipient: [MUST, MAY or MUST_NOT, servers that have the forward]

    # -------------------------------------------------------------- what operations did

    def put(self, objects, code):
        if code == DONE:
            self.certain.update(objects)
        elif code in (TOO_FEW, OTHER):
            self.possible.append(objects)
        else:
            raise Wrong(f"put {self.id}: exit {code}")

    def forwarded(self, recipient, servers, code):
        before = self.readers.get(recipient, [MUST_NOT, 0])
        if code == DONE:
            self.readers[recipient] = [MUST, servers]
        elif code == TOO_FEW:
            fewer = max(0, before[1] - self.limits.k + 1)  # where the old forward still is
            self.readers[recipient] = [MAY if before[0] == MUST_NOT else before[0], fewer]
        else:
            raise Wrong(f"forward {self.id} to {recipient}: exit {code}")

    def revoked(self, recipient, code):
        if code == DONE:
            self.readers[recipient] = [MUST_NOT, 0]
        elif code == TOO_FEW:
            self.readers[recipient] = [MAY, 0]
        else:
            raise Wrong(f"revoke {self.id} from {recipient}: exit {code}")

    def deleted(self, names, code):
        if code not in (DONE, TOO_FEW):
            raise Wrong(f"rm of objects of {self.id}: exit {code}")
        for name in names:
            data = self.certain.pop(name)
            if code != DONE:
                self.doubtful[name] = data

    def removed_with(self, code):
        if code == DONE:
            self.certain, self.possible, self.doubtful, self.readers, self.files = {}, [], {}, {}, 0
            self.removed = MUST_NOT
        elif code in (TOO_FEW,):
            self.removed = MAY
        else:
            raise Wrong(f"rm {self.id}: exit {code}")

    # -------------------------------------------------------------- what a reader may see

    def expects(self, user, troubles):
        """MUST, MAY or MUST_NOT: whether this user's get succeeds."""
        limits = self.limits
        storage, keys = len(troubles.storage | self.lacking), len(troubles.keys)
        word, spare = MUST, limits.n - limits.k
        if user != self.owner:
            word, servers = self.readers.get(user, [MUST_NOT, 0])
            storage += max(0, limits.n - servers)
        if word == MUST_NOT or not (self.certain or self.possible or self.doubtful):
            return MUST_NOT
        if self.removed is not None or not self.certain or storage > spare or keys > troubles.keys_borne:
            return MAY
        return word

    def check_read(self, user, code, objects, troubles, said):
        """`objects` are what a get gave, None where it failed."""
        expected = self.expects(user, troubles)
        where = f"get {self.id} by {user}: exit {code}, {expected}: {said}"
        if code == DONE:
            if expected == MUST_NOT:
                raise Wrong(where + ": it was served")
            self.check_objects(objects, where)
        elif expected == MUST:
            raise Wrong(where + f" (in trouble: {sorted(troubles.storage | troubles.keys)})")
        elif code not in (NOT_FOUND, DENIED, TOO_FEW):
            raise Wrong(where)

    def check_objects(self, objects, where):
        """The certain objects, of each put that failed all or none, of those that may be deleted any."""
        left = dict(objects)
        for name, data in self.certain.items():
            if left.pop(name, None) != data:
                raise Wrong(f"{where}: {name} is wrong or missing")
        for name, data in self.doubtful.items():
            if left.pop(name, data) != data:
                raise Wrong(f"{where}: {name} is wrong")
        for put in self.possible:
            there = [name for name in put if name in left]
            if there and (len(there) < len(put) or any(left[name] != put[name] for name in there)):
                raise Wrong(f"{where}: half a put: {there}")
            for name in there:
                del left[name]
        if left:
            raise Wrong(f"{where}: nobody put {sorted(left)}")

    def repaired(self):
        """Every server has all that it should have."""
        self.lacking = set()
        for reader in self.readers.values():
            if reader[0] == MUST:
                reader[1] = self.limits.n

    def settle(self, code, objects):
        """What the owner's get says once all servers are well is how it is from then on."""
        if code == DONE:
            self.certain, self.possible, self.doubtful = dict(objects), [], {}
            self.removed = None
        elif code == NOT_FOUND:
            self.certain, self.possible, self.doubtful, self.readers = {}, [], {}, {}
            self.removed = MUST_NOT if self.removed else None
        else:
            raise Wrong(f"get {self.id} by {self.owner} with all servers well: exit {code}")

    def is_there(self):
        return bool(self.certain)
