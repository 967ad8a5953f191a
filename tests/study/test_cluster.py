"""The same study on a real Dask cluster of this machine, one of whose workers dies."""

import os
import signal
import threading
import time

import pandas as pd
import pytest

from bionet import study
from bionet.errors import BioNetError, InputError
from bionet.study.results import TIMING

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*port.*:UserWarning"),
]


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes with a thread each, under nannies that start them again."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as found:
        yield found


def test_a_worker_dies_and_the_table_is_the_same(whole, there, cluster, tmp_path):
    from distributed import Client

    folder = tmp_path / "cluster"
    with Client(cluster.scheduler_address) as client:
        before = set(client.run(os.getpid).values())
    assert len(before) == 2
    victim = before.pop()
    killed = []

    def kill():
        while len(list((folder / "cells").glob("*.json"))) < 4:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        killed.append(len(list((folder / "cells").glob("*.json"))))

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    found = study.run("tiny.toml", folder, scheduler=cluster.scheduler_address)
    thread.join(timeout=1)
    assert killed and killed[0] < len(found), "the worker must die in the middle"
    pd.testing.assert_frame_equal(found.drop(columns=[*TIMING]), whole.drop(columns=[*TIMING]))
    with Client(cluster.scheduler_address) as client:
        assert victim not in set(client.run(os.getpid).values())


def test_a_study_begun_here_is_ended_there(whole, there, cluster):
    study.run("tiny.toml", "both", jobs=1)
    gone = sorted((there / "both" / "cells").glob("*.json"))[:5]
    for path in gone:
        path.unlink()
    found = study.run("tiny.toml", "both", scheduler=cluster.scheduler_address)
    pd.testing.assert_frame_equal(found.drop(columns=[*TIMING]), whole.drop(columns=[*TIMING]))


def test_a_cluster_without_workers_is_refused(there):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as empty,
        pytest.raises(InputError, match="--scheduler: .*has no workers"),
    ):
        study.run("tiny.toml", "idle", scheduler=empty.scheduler_address)


def test_no_scheduler_there(there):
    with pytest.raises((InputError, BioNetError), match="--scheduler: no Dask scheduler answers"):
        study.run("tiny.toml", "alone", scheduler="tcp://127.0.0.1:9")
