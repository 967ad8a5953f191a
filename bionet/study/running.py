"""Running the cells of a study: in processes of this machine, or on a Dask cluster.

Finished cells are files (see :mod:`bionet.study.cells`), so nothing else has to be kept: a study
goes on after it was killed, whatever ran it before, and a worker that dies costs the cell that it
had in hand.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bionet.errors import BioNetError, InputError
from bionet.files import output_folder
from bionet.kinds import typed
from bionet.progress import Progress
from bionet.running.arguments import available_cores
from bionet.study.cells import Cell, digest, finished, open_folder
from bionet.study.materials import Materials, gather, read_network
from bionet.study.results import table, write_tables
from bionet.study.specification import Study, load
from bionet.study.watching import CANCEL, LOCK, end_if_cancelled
from bionet.study.worker import check_cells, compile_cell, run_cell

__all__ = ["run"]

Work = Callable[[Path, dict[str, Any]], Any]


@typed
def run(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    data_dir: str | Path | None = None,
    extend: bool = False,
    progress: bool = False,
) -> Any:
    """Run a study, or what is left of it.

    Parameters
    ----------
    study : Study, or str or path
        As for :func:`bionet.study.load`.
    out : path, optional
        Folder of the results; ``runs/NAME`` by default. One that holds a part of this study is
        completed, one that holds anything else is refused.
    jobs : int, optional
        Processes; as many as there are cores by default.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.5:8786``, whose workers simulate
        instead. They must see the folder under the same path.
    data_dir : path, optional
        As for :func:`bionet.datasets.load`.
    extend : bool
        Take a folder whose study has become larger (more seeds, levels, codings, methods,
        perturbations, networks) and simulate what is new. Every cell of before must still be
        part of the study.
    progress : bool
        Show cells done, rate and time left.

    Returns
    -------
    pandas.DataFrame
        As from :func:`bionet.study.table`; also written to ``results.parquet`` and
        ``results.csv``.

    Raises
    ------
    InputError
        If something does not fit; the message names the key.
    BioNetError
        If a cell fails. The others keep their results.
    """
    if jobs is not None and (isinstance(jobs, bool) or int(jobs) != jobs or jobs < 1):
        raise InputError(f"jobs must be a whole number >= 1, but is {jobs}")
    study = study if isinstance(study, Study) else load(study)
    folder = Path(out if out is not None else Path("runs") / study.name).absolute()
    with Progress(None, progress, "cells", per_minute=True) as bar:
        bar.begin("loading networks and images")
        materials = gather(study, None if data_dir is None else Path(data_dir))
        with _started(folder, materials.study, materials, extend), _alone(folder):
            _complete(materials, folder, jobs or available_cores(), scheduler, bar)
            results = table(folder)
            write_tables(results, folder)
    return results


@contextlib.contextmanager
def _started(folder: Path, study: Study, materials: Materials, extend: bool) -> Iterator[None]:
    """Open the folder; where the study is refused before its first cell, leave none behind."""
    fresh = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    open_folder(folder, study, materials.cells, extend)
    try:
        yield
    except InputError:
        if fresh and not finished(folder, materials.cells):
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse a folder in which another process runs its study; the lock ends with its process."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=1)  # bionet study status may hold it for a moment
    except Timeout:
        raise InputError(
            f"--out: another process runs the study in {folder}; wait for it"
        ) from None
    try:
        shutil.rmtree(folder / "workers", ignore_errors=True)  # of a run that was killed
        (folder / CANCEL).unlink(missing_ok=True)
        yield
    finally:
        (folder / CANCEL).unlink(missing_ok=True)
        shutil.rmtree(folder / "workers", ignore_errors=True)
        lock.release()


def _complete(
    materials: Materials, folder: Path, jobs: int, scheduler: str | None, bar: Progress
) -> None:
    cells = materials.cells
    done = finished(folder, cells)
    left = [cell for cell in cells if cell.key not in done]
    if not left:
        return
    materials.convert(folder, left, bar.begin)
    bar.begin("checking perturbations")
    check_cells(left, functools.partial(read_network, folder))
    accuracies: dict[Any, float] = {}
    bar.begin("the source networks' own accuracy")
    tasks = [
        {
            "key": cell.key,
            "network": cell.network,
            "content": dict(cell.content),
            "accuracy_ann": materials.ann_accuracy(cell, accuracies),
        }
        for cell in left
    ]
    output_folder(folder / "workers")
    fan_out = _on_dask(scheduler) if scheduler is not None else _on_processes(jobs)
    with fan_out as results:
        if materials.study.settings["device"] == "cpp_standalone":
            models = programs(left)
            compiled = [tasks[left.index(cell)] for cell in models]
            bar.begin("compiling", len(compiled))
            for _ in bar.each(results(compile_cell, folder, compiled)):
                end_if_cancelled(folder)
        bar.begin("simulating", len(cells), len(done))
        finished_cells = bar.each(results(run_cell, folder, tasks), len(done))
        for number, _ in enumerate(finished_cells, len(done) + 1):
            if number < len(cells):
                end_if_cancelled(folder)


def programs(cells: Sequence[Cell]) -> list[Cell]:
    """One cell for every program that the cells need: levels and seeds are values of a program."""
    from bionet import perturbations

    models: dict[str, Cell] = {}
    for cell in cells:
        main = cell.content["perturbation"]
        structural = main["name"] != "none" and perturbations.find(main["name"]).structural
        level = cell.content["level"] if structural else None
        models.setdefault(digest([cell.network, main, level, cell.content["coding"]]), cell)
    return list(models.values())


@contextlib.contextmanager
def _on_processes(jobs: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Tasks in processes of joblib's loky; with one job in this process."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    with Parallel(
        n_jobs=jobs, backend="loky", return_as="generator_unordered", batch_size=1
    ) as parallel:

        def results(work: Work, folder: Path, tasks: Sequence[dict[str, Any]]) -> Iterator[Any]:
            try:
                yield from parallel(delayed(work)(folder, task) for task in tasks)
            except BrokenProcessPool as error:
                killed = isinstance(error, TerminatedWorkerError)
                what = f"the worker processes failed ({error})"
                what = "a worker process was killed, perhaps for want of memory" if killed else what
                raise BioNetError(
                    f"{what}; what is finished is kept in {folder}: run the study again, with"
                    " fewer jobs"
                ) from error

        yield results


@contextlib.contextmanager
def _on_dask(address: str) -> Iterator[Callable[..., Iterator[Any]]]:
    """Tasks on the workers of a Dask cluster; the tasks of a worker that dies go to another."""
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise InputError(
            "--scheduler needs the package distributed: pip install 'bionet[cluster]'"
        ) from error
    try:
        client = Client(address, timeout="20s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"--scheduler: no Dask scheduler answers at {address!r} ({error})"
        ) from error

    def results(work: Work, folder: Path, tasks: Sequence[dict[str, Any]]) -> Iterator[Any]:
        if not client.scheduler_info()["workers"]:
            raise InputError(f"--scheduler: {address} has no workers; start some: dask worker")
        futures = [
            client.submit(work, folder, task, key=f"{work.__name__}-{task['key']}", pure=False)
            for task in tasks
        ]
        try:
            for future in as_completed(futures, loop=client.loop):
                try:
                    yield future.result()
                except BioNetError:
                    raise
                except Exception as error:  # a worker that died again and again, for example
                    raise BioNetError(
                        f"the cluster gave up on a cell ({type(error).__name__}: {error});"
                        f" what is finished is kept in {folder}: run the study again"
                    ) from error
        finally:
            client.cancel(futures)

    with client:
        yield results
