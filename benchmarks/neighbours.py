"""Nearest neighbours: exact ones of 60,000 x 512, approximate ones of 1,000,000 x 128. Time, recall, memory.

    python benchmarks/neighbours.py                       # both
    python benchmarks/neighbours.py --exact               # the first
    python benchmarks/neighbours.py --approximate         # the second; needs pip install "labelaudit[ann]"
    python benchmarks/neighbours.py --contenders          # and other libraries on the same vectors, where installed
    python benchmarks/neighbours.py --samples 5000        # fewer

The vectors are made, not learned: 200 groups, each of which fills 16 directions of its own and a little of all others,
as the features of a network do. Every part runs in a process of its own, which reports its peak memory. Recall is the
share of the true 10 nearest neighbours found, on 1,000 samples whose true ones are computed exactly.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

import numpy as np

K, TRIED, GROUPS, DIRECTIONS = 10, 1_000, 200, 16


def vectors(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Return (n, d) single precision vectors in groups."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(GROUPS, d)).astype(np.float32)
    shapes = rng.normal(size=(GROUPS, DIRECTIONS, d)).astype(np.float32) / np.sqrt(DIRECTIONS).astype(np.float32)
    found = np.empty((n, d), np.float32)
    group = rng.integers(GROUPS, size=n)
    for one in range(GROUPS):
        rows = np.flatnonzero(group == one)
        inside = rng.standard_normal((len(rows), DIRECTIONS), np.float32) @ shapes[one]
        found[rows] = centres[one] + inside + 0.1 * rng.standard_normal((len(rows), d), np.float32)
    return found


def memory() -> float:
    """Return this process's peak memory, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(name: str, n: int, d: int, seconds: dict[str, float], recall: float, before: float) -> str:
    """Return a row of the table."""
    times = ", ".join(f"{part} {value:.1f}" for part, value in seconds.items())
    return f"| {name} | {n:,} x {d} | {times} | {recall:.4f} | {before:,.0f} | {memory():,.0f} |"


def cpu() -> float:
    """Return the seconds that this process's threads have computed: other work does not change that much."""
    return time.process_time()


def exact(n: int, d: int) -> str:
    """Time the exact search."""
    from labelaudit import Embeddings
    from labelaudit.embedding.neighbours import nearest

    embeddings = Embeddings.from_arrays(vectors(n, d))
    before, worked = memory(), cpu()
    started = time.perf_counter()
    nearest(embeddings.vectors, K, "cosine")
    seconds = {"search": time.perf_counter() - started, "CPU": cpu() - worked}
    return row("labelaudit, exact", n, d, seconds, 1.0, before)


def truth(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the exact K nearest others of some rows, by cosine distance."""
    from labelaudit.embedding.approximate import true_neighbours
    from labelaudit.embedding.distance import Space

    return true_neighbours(Space(x, "cosine"), rows, K)


def recall_of(indices: np.ndarray, x: np.ndarray) -> float:
    """Return the share of true neighbours among (n, K or more) found ones; a sample itself does not count."""
    rows = np.sort(np.random.default_rng(1).choice(len(x), min(TRIED, len(x)), replace=False))
    true = truth(x, rows)
    return float((indices[rows][:, :, None] == true[:, None, :]).any(axis=1).mean())


def approximate(n: int, d: int) -> str:
    """Time the approximate search of labelaudit."""
    from labelaudit.embedding.approximate import nearly_nearest

    x = vectors(n, d)
    before, worked, seconds = memory(), cpu(), {}
    started = time.perf_counter()
    found = nearly_nearest(x, K, "cosine", seconds=seconds)
    seconds |= {"all": time.perf_counter() - started, "CPU": cpu() - worked}
    peak = row("labelaudit, faiss IVF", n, d, seconds, recall_of(found.indices, x), before)
    return f"{peak}\n| (recall that it says itself: {found.recall:.4f}) |"


def _faiss_hnsw(x: np.ndarray) -> tuple[float, float, np.ndarray]:
    import faiss

    started = time.perf_counter()
    index = faiss.IndexHNSWFlat(x.shape[1], 16)
    index.hnsw.efConstruction, index.hnsw.efSearch = 64, 48
    index.add(x)
    built = time.perf_counter()
    found = index.search(x, K + 1)[1]
    return built - started, time.perf_counter() - built, found


def _usearch(x: np.ndarray) -> tuple[float, float, np.ndarray]:
    from usearch.index import Index

    started = time.perf_counter()
    index = Index(ndim=x.shape[1], metric="cos", dtype="f32", connectivity=16, expansion_add=64, expansion_search=48)
    index.add(np.arange(len(x)), x)
    built = time.perf_counter()
    found = index.search(x, K + 1).keys
    return built - started, time.perf_counter() - built, found.astype(np.int64)


def _hnswlib(x: np.ndarray) -> tuple[float, float, np.ndarray]:
    import hnswlib

    started = time.perf_counter()
    index = hnswlib.Index("cosine", x.shape[1])
    index.init_index(len(x), ef_construction=64, M=16, random_seed=0)
    index.add_items(x)
    built = time.perf_counter()
    index.set_ef(48)
    found = index.knn_query(x, K + 1)[0]
    return built - started, time.perf_counter() - built, found.astype(np.int64)


def _pynndescent(x: np.ndarray) -> tuple[float, float, np.ndarray]:
    from pynndescent import NNDescent

    started = time.perf_counter()
    found = NNDescent(x, "cosine", n_neighbors=K + 1, random_state=0, n_jobs=2).neighbor_graph[0]
    return time.perf_counter() - started, 0.0, found


CONTENDERS: dict[str, Callable[[np.ndarray], tuple[float, float, np.ndarray]]] = {
    "faiss HNSW": _faiss_hnsw,
    "usearch": _usearch,
    "hnswlib": _hnswlib,
    "pynndescent": _pynndescent,
}


def contender(name: str, n: int, d: int) -> str:
    """Time another library on unit vectors."""
    x = vectors(n, d)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    before, worked = memory(), cpu()
    try:
        build, query, found = CONTENDERS[name](x)
    except ModuleNotFoundError as problem:
        return f"| {name} | {problem.name} is not installed |"
    seconds = {"build": build, "query": query, "CPU": cpu() - worked}
    return row(name, n, d, seconds, recall_of(found, x), before)


def alone(function: Callable[..., str], *arguments: Any) -> None:
    """Run in a process of its own and print what it returns."""
    with get_context("spawn").Pool(1) as pool:
        print(pool.apply(function, arguments), flush=True)


def main() -> None:
    """Parse options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exact", action="store_true", help="only the exact search")
    parser.add_argument("--approximate", action="store_true", help="only the approximate search")
    parser.add_argument("--contenders", action="store_true", help="also other libraries")
    parser.add_argument("--samples", type=int, help="instead of 60,000 and 1,000,000")
    options = parser.parse_args()
    both = not (options.exact or options.approximate or options.contenders)
    print("| search | vectors | seconds | recall@10 | MiB before | MiB peak |\n|---|---|---|---|---|---|")
    if both or options.exact:
        alone(exact, options.samples or 60_000, 512)
    if both or options.approximate:
        alone(approximate, options.samples or 1_000_000, 128)
    for name in CONTENDERS if options.contenders else ():
        alone(contender, name, options.samples or 1_000_000, 128)


if __name__ == "__main__":
    main()
