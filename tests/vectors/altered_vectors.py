"""altered_vectors.py SCHEME-VECTORS FILE: the known-answer program must refuse every altered copy.

Takes one case of FILE and alters, one at a time, every value in it, then the file's shape. A copy
that the program accepts, or on which it dies instead of exiting with 1, is a failure.
"""

import copy
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def leaves(node, trail=()):
    """The path of every string and number below `node`."""
    if isinstance(node, (dict, list)):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in items:
            yield from leaves(child, trail + (key,))
    else:
        yield trail


def parent_of(root, trail):
    for key in trail[:-1]:
        root = root[key]
    return root


# An input on which no output of a case depends: any valid scalar is as right as any other.
FREE = ("cases", 0, "B", "a3")


def altered_value(value):
    if isinstance(value, int):
        return value + 1
    if value == "":
        return "00"
    last = "0" if value[-1] != "0" else "1"
    return value[:-1] + last


def altered_copies(document):
    """(what was altered, the copy)"""
    for trail in leaves(document):
        if trail == FREE:
            continue
        changed = copy.deepcopy(document)
        parent = parent_of(changed, trail)
        parent[trail[-1]] = altered_value(parent[trail[-1]])
        yield f"value {trail}", changed
    for name in document["cases"][0]:
        changed = copy.deepcopy(document)
        del changed["cases"][0][name]
        yield f"member {name} missing", changed
    changed = copy.deepcopy(document)
    changed["cases"][0]["surprise"] = "00"
    yield "member unknown", changed
    changed = copy.deepcopy(document)
    changed["cases"][0]["ciphertexts"].append(changed["cases"][0]["ciphertexts"][0])
    yield "one ciphertext more than k", changed
    changed = copy.deepcopy(document)
    changed["cases"] = []
    yield "no cases", changed
    changed = copy.deepcopy(document)
    changed["cases"][0]["A"]["a1"] = changed["cases"][0]["A"]["a1"][2:]
    yield "a scalar of 31 bytes", changed
    changed = copy.deepcopy(document)
    changed["cases"][0]["A"]["a1"] = "00" * 32
    yield "a secret of zero", changed
    changed = copy.deepcopy(document)
    changed["cases"][0]["B"]["a3"] = "ff" * 32
    yield "a secret above the group order", changed


def verdict(program, path):
    return subprocess.run([program, path], capture_output=True, timeout=60).returncode


def main(program, original):
    document = json.loads(Path(original).read_text())
    document["cases"] = [min(document["cases"][1:] or document["cases"], key=lambda case: case["n"])]
    wrong, tried = [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "altered.json"
        path.write_text(json.dumps(document))
        if verdict(program, path) != 0:
            wrong.append("the unaltered case is refused")
        for what, changed in altered_copies(document):
            path.write_text(json.dumps(changed))
            tried += 1
            code = verdict(program, path)
            if code != 1:
                wrong.append(f"{what}: exit {code}, expected 1")
        path.write_text(json.dumps(document)[:-40])
        if verdict(program, path) != 1:
            wrong.append("a truncated file is not refused")
    for line in wrong:
        print(line)
    print(f"{tried} altered copies, {len(wrong)} not refused as they must be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
