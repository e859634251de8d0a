"""What a disk may hold after the power went: built from the journal of myelin-fault.

The rules are POSIX's, not those of one kind file system:

  - bytes are safe once their file was synced (fsync, fdatasync, syncfs) after they were written; others are
    lost, wholly or in part, in any order, or read as zeros where the file had grown;
  - a name that was made, moved or removed is safe once a folder it concerns was synced afterwards, else it is
    as before; which of the unsynced changes are lost is anybody's guess (`any`), or they were done in order
    up to some point (`ordered`: what a journaling file system does). A rename is one change, never half of one;
    a change goes with those before it that it builds on.
"""
import dataclasses
import os
import pathlib
import random

PAGE = 4096


class Node:
    """A file or a folder, whatever its name."""

    def __init__(self, is_folder, content=b""):
        self.is_folder = is_folder
        self.entries = {}            # of a folder, now
        self.content = bytearray(content)
        self.safe = bytes(content)   # of a file, as last synced
        self.loose = []              # (offset, bytes) written or (length, None) truncated since


@dataclasses.dataclass
class Change:
    """A change of names: each slot (folder, name) that it sets to a node or to None."""
    slots: list
    safe: bool = False

    def touches(self, folder):
        return any(f is folder for f, _, _ in self.slots)

    def keys(self):
        return {(id(f), name) for f, name, _ in self.slots}


class Disk:
    """What lies below `root` now; then play() what a program did."""

    def __init__(self, root):
        self.root_path = os.path.realpath(root)
        self.by_inode = {}
        self.changes = []
        self.root = self._load(self.root_path)
        self.before = {}  # id(folder) -> its entries at the start
        self._remember(self.root)

    def _load(self, path):
        is_folder = os.path.isdir(path)
        node = Node(is_folder, b"" if is_folder else pathlib.Path(path).read_bytes())
        self.by_inode[os.lstat(path).st_ino] = node
        if is_folder:
            for name in sorted(os.listdir(path)):
                node.entries[name] = self._load(os.path.join(path, name))
        return node

    def _remember(self, folder):
        self.before[id(folder)] = (folder, dict(folder.entries))
        for node in folder.entries.values():
            if node.is_folder:
                self._remember(node)

    def _find(self, path):
        """(folder, name) of a path, or None where it is not below the root."""
        relative = os.path.relpath(path, self.root_path)
        if relative.startswith(".."):
            return None
        *above, name = relative.split("/")
        folder = self.root
        for part in above:
            folder = folder.entries[part]
        return folder, name

    def _change(self, *slots):
        self.changes.append(Change([s for s in slots if s is not None]))
        for folder, name, node in self.changes[-1].slots:
            if node is None:
                folder.entries.pop(name, None)
            else:
                folder.entries[name] = node

    def _slot(self, path, node):
        place = self._find(path)
        return None if place is None else (*place, node)

    # -------------------------------------------------------------- the program's calls

    def play(self, data):
        """What stands in a journal."""
        at = 0
        while at < len(data):
            line_end = data.index(b"\n", at)
            what, *fields = data[at:line_end].decode().split("\t")
            at = line_end + 1
            if what == "write":
                length = int(fields[2])
                self._write(int(fields[0]), int(fields[1]), data[at:at + length])
                at += length
            else:
                getattr(self, "_" + what)(*fields)
        return self

    def _create(self, path, inode):
        self.by_inode[int(inode)] = node = Node(False)
        self._change(self._slot(path, node))

    def _mkdir(self, path, inode):
        self.by_inode[int(inode)] = node = Node(True)
        self.before[id(node)] = (node, {})
        self._change(self._slot(path, node))

    def _truncate(self, inode, length):
        node, length = self.by_inode[int(inode)], int(length)
        if length == len(node.content):
            return
        node.content = node.content[:length].ljust(length, b"\0")
        node.loose.append((length, None))

    def _write(self, inode, offset, data):
        node = self.by_inode[inode]
        node.content.extend(bytes(max(0, offset - len(node.content))))
        node.content[offset:offset + len(data)] = data
        node.loose.append((offset, data))

    def _rename(self, source, target):
        folder, name = self._find(source)
        self._change((folder, name, None), self._slot(target, folder.entries[name]))

    def _link(self, source, target):
        folder, name = self._find(source)
        self._change(self._slot(target, folder.entries[name]))

    def _unlink(self, path):
        self._change(self._slot(path, None))

    _rmdir = _unlink

    def _sync(self, inode):
        node = self.by_inode[int(inode)]
        if not node.is_folder:
            node.safe, node.loose = bytes(node.content), []
            return
        for index, change in enumerate(self.changes):
            if not change.safe and change.touches(node):
                self._make_safe(index)

    def _make_safe(self, index):
        self.changes[index].safe = True
        for i in range(index):
            if not self.changes[i].safe and self.changes[i].keys() & self.changes[index].keys():
                self._make_safe(i)

    def _syncall(self):
        for node in self.by_inode.values():
            if not node.is_folder:
                node.safe, node.loose = bytes(node.content), []
        for change in self.changes:
            change.safe = True

    # -------------------------------------------------------------- what is left

    def latest(self):
        """{path: bytes, or None for a folder}, nothing lost."""
        return self._tree({id(f): f.entries for f, _ in self.before.values()}, lambda node: bytes(node.content))

    def cut(self, seed):
        """The same after a power cut. Seed 0 loses all that may be lost, 1 all bytes and no name."""
        rng = random.Random(seed)
        kept = self._surviving(rng, {0: "none", 1: "all"}.get(seed) or rng.choice(["ordered", "any", "any", "all"]))
        entries = {id(f): dict(before) for f, before in self.before.values()}
        for change, keep in zip(self.changes, kept):
            if keep:
                for folder, name, node in change.slots:
                    if node is None:
                        entries[id(folder)].pop(name, None)
                    else:
                        entries[id(folder)][name] = node
        return self._tree(entries, lambda node: self._torn(node, rng, seed))

    def _surviving(self, rng, mode):
        kept, lost = [], set()
        loose = [i for i, c in enumerate(self.changes) if not c.safe]
        last = rng.choice(loose) if loose and mode == "ordered" else -1
        for i, change in enumerate(self.changes):
            keep = change.safe or (mode == "all" or (mode == "ordered" and i <= last) or
                                   (mode == "any" and rng.random() < 0.5))
            keep = keep and (change.safe or not change.keys() & lost)
            if not keep:
                lost |= change.keys()
            kept.append(keep)
        return kept

    @staticmethod
    def _torn(node, rng, seed):
        """A file's bytes: as synced, and of what came later some."""
        how = "nothing" if seed in (0, 1) else rng.choice(["nothing", "all", "first", "holes", "zeros"])
        if not node.loose or how == "all":
            return bytes(node.content)
        if how == "nothing":
            return node.safe
        content = bytearray(node.safe)
        count = rng.randrange(len(node.loose) + 1) if how == "first" else len(node.loose)
        for offset, data in node.loose[:count]:
            if data is None:
                content = content[:offset].ljust(offset, b"\0")
                continue
            content.extend(bytes(max(0, offset + len(data) - len(content))))
            for page in range(0, len(data), PAGE):
                if how == "first" or (how == "holes" and rng.random() < 0.5):
                    part = data[page:page + PAGE]
                    content[offset + page:offset + page + len(part)] = part
        if how == "first" and count < len(node.loose) and node.loose[count][1] is not None:
            offset, data = node.loose[count]
            part = data[:rng.randrange(len(data) + 1)]
            content.extend(bytes(max(0, offset - len(content))))
            content[offset:offset + len(part)] = part
        return bytes(content)

    def _tree(self, entries, content_of):
        tree = {}

        def walk(folder, prefix):
            for name, node in entries[id(folder)].items():
                path = prefix + name
                tree[path] = None if node.is_folder else content_of(node)
                if node.is_folder:
                    walk(node, path + "/")
        walk(self.root, "")
        return tree


def read_tree(root):
    """{path: bytes, or None for a folder} of what lies on the real disk."""
    root = pathlib.Path(root)
    return {str(p.relative_to(root)): None if p.is_dir() else p.read_bytes() for p in root.rglob("*")}


def write_tree(tree, root):
    """Makes `root` hold just this; the folders above come first in a tree."""
    root = pathlib.Path(root)
    for path, content in tree.items():
        target = root / path
        if content is None:
            target.mkdir(mode=0o700, exist_ok=True)
        else:
            target.write_bytes(content)
            target.chmod(0o600)
