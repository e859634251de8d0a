"""Stores that lost or hold wrong what they were given: verify tells which, repair and the scrub make it
good from any k others, and what was removed or revoked stays so."""
import os
import shutil
import subprocess
import time

import pytest

from cluster import BIN, DONE, INTEGRITY, NOT_FOUND, TOO_FEW, Cluster, flip, truncate
from liars import LyingCluster

N, K = 6, 3
ALL = [f"storage-{i}" for i in range(1, N + 1)]
HURT, WHOLE = ALL[1::2], ALL[0::2]  # n - k of them, and the k others

# Every kind of file of an image, by a part of its name that no other kind has.
KINDS = [".slices", ".manifest", "/envelope", "/coefficients", "/symbol.", ".forward", "/owner", ".put"]
HARM = [lambda path: path.unlink(), flip, truncate]


def image_files(c, server, image, kind):
    return [p for p in c.files(server, f"/{image}/") if kind in str(p)]


def put_images(c, names, user="alice"):
    """{image: ({name: bytes}, id in hexadecimal)}, each forwarded to bob."""
    made = {}
    for name in names:
        before = {p.name for p in c.store(ALL[0]).glob("images/*/*")}
        files = [c.make(f"{name}-{i}.bin", size) for i, size in enumerate((1_300_000, 700))]
        c.put(user, name, *files)
        c.must("forward", name, "--to", "bob", user=user)
        after = {p.name for p in c.store(ALL[0]).glob("images/*/*")}
        made[name] = ({f.name: f.read_bytes() for f in files}, (after - before).pop())
    return made


def wait_for(what, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def restart(c, *servers, **options):
    """Each with its own options, as `myelin up` starts them otherwise."""
    for server in servers:
        start = len(c.log(server))
        log = open(c.system / f"{server}.log", "a")
        process = subprocess.Popen(
            [BIN / "myelin-storaged", "--config", c.system / "config" / server, "--system",
             c.system / "system.myelin", "--store", c.system / server,
             *[str(x) for name, value in options.items() for x in (f"--{name.replace('_', '-')}", value)]],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env=c.environment())
        (c.system / "run" / f"{server}.pid").write_text(f"{process.pid}\n")
        wait_for(lambda: "event=ready" in c.log(server)[start:])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("repair"), storage=N, k=K, key=3, threshold=2)
    try:
        yield c.up().enroll("alice", "bob", "carol")
    finally:
        c.end()


@pytest.fixture(autouse=True)
def everyone_runs(world):
    """Whatever a test has killed, also where it failed."""
    yield
    world.must("up", world.system, "--detach")


def only(c, *servers):
    """All other storage servers die."""
    c.kill(*[s for s in ALL if s not in servers])


def test_each_kind_of_file_each_kind_of_harm(world):
    c = world
    images = put_images(c, [f"kind{i}" for i in range(len(KINDS))])
    assert c.must("verify", user="alice").out.count("good at all 6 servers") == len(KINDS)
    for i, (name, kind) in enumerate(zip(images, KINDS)):
        for j, server in enumerate(HURT):
            files = image_files(c, server, images[name][1], kind)
            assert files, f"{server} has no {kind}"
            HARM[(i + j) % 3](files[0])
    told = c.must("verify", user="alice", code=INTEGRITY)
    assert "myelin repair" in told.err
    assert all(server in told.err for server in HURT) and not any(s in told.err for s in WHOLE)
    deleted = [HURT[j] for i, kind in enumerate(KINDS) for j in range(3)
               if kind == ".slices" and (i + j) % 3 == 0]
    for line in told.out.splitlines():
        if "kind0" in line:
            assert line.split()[1] == ("lost" if line.split()[0] in deleted else "bad"), line
    answer = c.must("repair", "--json", user="alice").json()
    assert {p["server"] for p in answer["parts"]} <= set(HURT)
    assert all(p["outcome"] in ("rebuilt", "copied") for p in answer["parts"])
    c.must("verify", user="alice")
    again = c.must("repair", "--json", user="alice").json()
    assert again["parts"] == [] and again["bytes_written"] == 0
    only(c, *HURT)  # what was rebuilt has to do
    for name, (want, _) in images.items():
        assert c.get("alice", name) == want
    for name in ("kind0", "kind4", "kind5"):
        assert c.get("bob", name, owner="alice") == images[name][0]


def test_all_that_a_server_has_of_an_image(world):
    c = world
    (want, image), = put_images(c, ["whole"]).values()
    for server in HURT:
        shutil.rmtree(next(c.store(server).glob(f"images/*/{image}")))
    told = c.must("verify", "whole", user="alice", code=INTEGRITY)
    assert all(f"{server}  lost" in told.out for server in HURT)
    answer = c.must("repair", "whole", "--json", user="alice").json()
    size = sum(p.stat().st_size for p in image_files(c, WHOLE[0], image, ".slices"))
    assert size * 0.98 < answer["bytes_written"] / len(HURT) < size * 1.02 + 4000
    assert answer["bytes_read"] / answer["bytes_written"] < K * 1.02
    only(c, *HURT)
    assert c.get("alice", "whole") == want
    assert c.get("bob", "whole", owner="alice") == want
    assert [i["id"] for i in c.must("inbox", "--json", user="bob").json()].count("whole") == 1


def test_only_what_is_missing_is_fetched(world):
    """One slice of many: k slices are read to write it."""
    c = world
    before = {p.name for p in c.store(ALL[0]).glob("images/*/*")}
    c.put("alice", "many", c.make("many.bin", 12 << 20))
    image = ({p.name for p in c.store(ALL[0]).glob("images/*/*")} - before).pop()
    flip(image_files(c, "storage-2", image, ".slices")[0], 1000)
    answer = c.must("repair", "many", "--json", user="alice").json()
    assert answer["bytes_written"] < 400_000 and answer["bytes_read"] <= K * 400_000
    c.must("verify", "many", user="alice")


def test_too_few_are_left(world):
    c = world
    (want, image), = put_images(c, ["lossy"]).values()
    kept = {}
    for server in ALL[:N - K + 1]:
        path = image_files(c, server, image, ".slices")[0]
        kept[path] = path.read_bytes()
        flip(path)
    told = c.must("repair", "lossy", user="alice", code=TOO_FEW)
    assert "slot" in told.err
    for path, content in list(kept.items())[:1]:  # one of the lost comes back from a backup
        path.write_bytes(content)
    c.must("repair", "lossy", user="alice")
    assert c.get("alice", "lossy") == want
    c.must("repair", "no such image", user="alice", code=NOT_FOUND)


def test_removed_stays_removed_and_frees_the_space(world):
    c = world
    images = put_images(c, ["gone", "kept"])
    (_, image), (want, _) = images["gone"], images["kept"]
    for server in HURT[:2]:
        shutil.rmtree(next(c.store(server).glob(f"images/*/{image}")))
    c.must("rm", "gone", user="alice")
    c.must("repair", "gone", user="alice", code=NOT_FOUND)
    c.must("repair", user="alice")
    for server in ALL:
        assert not c.files(server, f"/images/{image[:2]}/{image}/"), "the dead was raised"
    assert c.get("alice", "kept") == want


def test_a_server_comes_back_after_a_month(world):
    """It missed a put, a removal, a removal and a new put, a forward and a revocation."""
    c = world
    images = put_images(c, ["early", "again", "dead", "quiet"])
    c.kill("storage-4")
    c.must("rm", "dead", user="alice")
    c.must("rm", "again", user="alice")
    fresh = c.make("fresh.bin", 300_000)
    c.put("alice", "again", fresh)
    c.must("revoke", "early", "--from", "bob", user="alice")
    c.must("forward", "early", "--to", "carol", user="alice")
    late, = put_images(c, ["late"]).values()
    restart(c, "storage-4", scrub_look=1)
    wait_for(lambda: c.run("verify", user="alice").code == DONE)
    assert not c.files("storage-4", f"/{images['dead'][1]}/")
    only(c, "storage-4", "storage-1", "storage-2")
    assert c.get("alice", "again") == {"fresh.bin": fresh.read_bytes()}
    assert c.get("bob", "late", owner="alice") == late[0]
    assert c.get("carol", "early", owner="alice") == images["early"][0]
    assert c.run("get", "early", "--from", "alice", "-o", c.folder / "no", user="bob").code in (3, 4)
    c.must("get", "dead", "-o", c.folder / "no", user="alice", code=NOT_FOUND)
    c.kill("storage-4")


def test_a_wiped_server_fills_itself(world):
    c = world
    (want, image), = put_images(c, ["wiped"]).values()
    c.kill("storage-6")
    shutil.rmtree(c.store("storage-6"))
    restart(c, "storage-6", scrub_look=1, scrub_mb_per_second=0)
    wait_for(lambda: c.run("verify", user="alice").code == DONE, 60)
    only(c, "storage-6", "storage-1", "storage-3")
    assert c.get("alice", "wiped") == want
    c.kill("storage-6")


def test_the_scrub_finds_and_mends_and_can_be_halted(world):
    c = world
    (want, image), = put_images(c, ["scrubbed"]).values()
    path = image_files(c, "storage-5", image, ".slices")[0]
    good = path.read_bytes()
    c.kill("storage-5")
    (c.store("storage-5") / "journal").unlink(missing_ok=True)  # after a SIGKILL it makes small files good again
    pause = c.store("storage-5") / "scrub.pause"
    pause.touch()
    flip(path)
    restart(c, "storage-5", scrub_look=1, scrub_interval=1, scrub_mb_per_second=0)
    time.sleep(1.5)
    assert path.read_bytes() != good, "it was paused"
    pause.unlink()
    wait_for(lambda: path.read_bytes() == good)
    wait_for(lambda: "event=scrubbed" in c.log("storage-5"))
    assert f"event=mended image={image}" in c.log("storage-5")
    c.kill("storage-5")


def test_liars_are_not_believed(tmp_path):
    liars = ["storage-1", "storage-3"]
    c = LyingCluster(tmp_path / "liars", liars, storage=N, k=K, key=3, threshold=2)
    try:
        c.up().enroll("alice", "bob")
        (want, image), = put_images(c, ["scan"]).values()
        for lies in ({"storage-1": "slice", "storage-3": "gamma"},
                     {"storage-1": "forged-manifest", "storage-3": "hashes"},
                     {"storage-1": "nonsense", "storage-3": "short"}):
            c.tell({})
            good = {p.name: p.read_bytes() for p in image_files(c, "storage-2", image, "")
                    if not p.name.endswith((".put", ".forward"))}
            shutil.rmtree(next(c.store("storage-2").glob(f"images/*/{image}")))
            c.tell(lies)
            c.run("repair", "scan", user="alice")  # what the liars say of themselves stays bad
            c.tell({})
            assert {p.name: p.read_bytes() for p in image_files(c, "storage-2", image, "")
                    if not p.name.endswith((".put", ".forward"))} == good, lies
            c.must("verify", "scan", user="alice")
    finally:
        c.end()


def test_a_repair_that_is_killed(world):
    """Whenever it dies: what was good stays good, and the next repair ends the work."""
    c = world
    c.put("alice", "killed", c.make("killed.bin", 12 << 20))
    for delay in (0.03, 0.15):
        image = max(c.store("storage-3").glob("images/*/*"), key=lambda p: p.stat().st_mtime).name
        files = [p for p in c.files("storage-3") if p.stat().st_size > 3 << 20]
        for path in files:
            path.unlink()
        process = c.start("repair", "killed", user="alice")
        time.sleep(delay)
        c.kill("storage-3")
        process.wait(60)
        process.communicate()
        c.must("up", c.system, "--detach")
        c.must("repair", "killed", user="alice")
        c.must("verify", "killed", user="alice")
        assert not list((c.store("storage-3") / "mending").rglob("*")), image


def test_a_removal_meanwhile_wins(world):
    c = world
    for round_ in range(2):
        (_, image), = put_images(c, [f"race{round_}"]).values()
        for server in HURT:
            shutil.rmtree(next(c.store(server).glob(f"images/*/{image}")))
        process = c.start("repair", f"race{round_}", user="alice")
        time.sleep(0.15 + 0.15 * round_)
        c.must("rm", f"race{round_}", user="alice")
        process.communicate(timeout=120)
        c.must("repair", f"race{round_}", user="alice", code=NOT_FOUND)
        assert not any(c.files(server, f"/images/{image[:2]}/{image}/") for server in ALL)


def test_puts_and_forwards_go_on_meanwhile(world):
    c = world
    want = {"base.bin": c.make("base.bin", 4 << 20).read_bytes()}
    c.put("alice", "busy", c.folder / "in" / "base.bin")
    image = max(c.store("storage-1").glob("images/*/*"), key=lambda p: p.stat().st_mtime).name
    for round_ in range(2):
        for server in HURT:
            for path in image_files(c, server, image, ".slices"):
                path.unlink()
        more = c.make(f"more{round_}.bin", 600_000)
        want[more.name] = more.read_bytes()
        processes = [c.start("repair", "busy", user="alice"),
                     c.start("put", "--id", "busy", more, user="alice"),
                     c.start("forward", "busy", "--to", ["bob", "carol"][round_], user="alice")]
        for process in processes[1:]:
            out, err = process.communicate(timeout=120)
            assert process.returncode == DONE, err
        processes[0].communicate(timeout=120)
        c.must("repair", "busy", user="alice")
    only(c, *HURT)
    assert c.get("alice", "busy") == want
    assert c.get("carol", "busy", owner="alice") == want
