import pytest

from cluster import Cluster


@pytest.fixture
def make_cluster(tmp_path):
    """A factory of running systems, all stopped at the end of the test."""
    made = []

    def make(**shape):
        cluster = Cluster(tmp_path / f"cluster{len(made)}", **shape)
        made.append(cluster)
        return cluster.up()

    yield make
    for cluster in made:
        cluster.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One running system for a module's tests, with alice, bob and carol enrolled."""
    cluster = Cluster(tmp_path_factory.mktemp("shared")).up().enroll("alice", "bob", "carol")
    yield cluster
    cluster.end()
