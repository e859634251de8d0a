"""A few of the faults that `./run torture crash` goes through: killed at a system call, power cut, failing or full
disk, at the servers and in the user's own program. The seed is printed; crash.py takes it again."""
import os
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))
from crash import Tally, Worlds, sample  # noqa: E402

ROUNDS = 2 if "asan" in os.environ.get("MYELIN_BIN", "") else 5


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    made = Worlds(tmp_path_factory.mktemp("crash"))
    yield made
    made.end()


@pytest.mark.parametrize("seed", [1, random.SystemRandom().randrange(1 << 32)], ids=["fixed", "new"])
def test_some_faults(worlds, seed, capfd):
    with capfd.disabled():
        print(f"\ncrash.py --rounds {ROUNDS} --seed {seed}", file=sys.stderr)
    tally = Tally()
    sample(worlds, tally, random.Random(seed), ROUNDS)
    assert not tally.failures, "\n".join(tally.failures)
    assert sum(tally.rounds.values()) >= ROUNDS
