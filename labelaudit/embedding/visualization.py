"""Two-dimensional pictures of embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import one_of
from labelaudit.options import check_whole

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from labelaudit.embedding.embeddings import Embeddings

Array = npt.NDArray[Any]

UMAP_NEIGHBOURS, PERPLEXITY = 15, 30.0  # what UMAP and t-SNE use by default, where there are samples enough


@dataclass(eq=False)
class Visualization:
    """Points in the plane, one for each sample. NumPy takes it for the (n, 2) array.

    Attributes:
        points: (n, 2) single precision.
        sample_ids: (n,).
        method: "umap", "tsne" or "pca".
        seed: of the method.
        parameters: what else the method was told.
        labels: (n,) class numbers, -1 where missing, or None.
        class_names: one name per class, or None.
        splits: (n,) split of each sample, or None.
    """

    points: Array
    sample_ids: Array
    method: str
    seed: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    labels: Array | None = None
    class_names: list[str] | None = None
    splits: Array | None = None

    def __len__(self) -> int:
        return len(self.points)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.points, dtype=dtype, copy=copy)

    def __getitem__(self, rows: Any) -> Array:
        found: Array = self.points[rows]
        return found

    @cached_property
    def index(self) -> pd.Index[Any]:
        """The sample ids, for looking up points."""
        import pandas as pd

        return pd.Index(self.sample_ids, name="sample_id")

    def select(self, sample_ids: Any) -> Visualization:
        """Return the points of some samples.

        Raises:
            LabelAuditError: a sample has no point.
        """
        import pandas as pd

        wanted = pd.Index(np.atleast_1d(np.asarray(sample_ids)))
        rows = self.index.get_indexer(wanted)
        if (rows < 0).any():
            raise LabelAuditError(
                f"there is no point of sample {wanted.tolist()[int(np.argmax(rows < 0))]!r} in the picture"
            )
        return replace(
            self,
            points=self.points[rows],
            sample_ids=self.sample_ids[rows],
            labels=None if self.labels is None else self.labels[rows],
            splits=None if self.splits is None else self.splits[rows],
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, 2)."""
        return self.points.shape

    def __repr__(self) -> str:
        return f"Visualization({len(self):,} points, {self.method}, seed {self.seed})"

    def plot(self, colour: Any = None, *, ax: Axes | None = None, title: str | None = None) -> Axes:
        """Draw the points with matplotlib.

        Args:
            colour: what colours them: "label", "split", (n,) values, or a pandas Series by sample id (a column of
                ``audit.samples``, such as ``audit.samples["label_quality"]``). Numbers are drawn on a scale, everything
                else in groups. Default: the labels, where there are any.
            ax: draw into these axes.
            title: default says the method.

        Returns:
            The axes.
        """
        from labelaudit.embedding.plots import scatter

        return scatter(self, colour, ax, title)


def visualize(embeddings: Embeddings, method: str, seed: int, parameters: Mapping[str, Any]) -> Visualization:
    """Return the picture of embeddings; see `Embeddings.visualize`."""
    one_of("method", method, tuple(_METHODS))
    check_whole("seed", seed)
    vectors = embeddings.vectors
    if (vectors == vectors[:1]).all():  # nothing to tell apart; the methods would divide by zero
        points = np.zeros((len(vectors), 2), np.float32)
    else:
        try:
            points = np.asarray(_METHODS[method](vectors, seed, dict(parameters)), np.float32)
        except (TypeError, ValueError) as problem:
            if not parameters:
                raise
            told = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
            raise LabelAuditError(f'visualize("{method}", {told}) of {len(vectors):,} samples: {problem}') from None
    return Visualization(
        points,
        embeddings.sample_ids,
        method,
        seed,
        dict(parameters),
        embeddings.labels,
        embeddings.class_names,
        embeddings.splits,
    )


def _pca(vectors: Array, seed: int, parameters: dict[str, Any]) -> Array:
    from sklearn.decomposition import PCA

    wide = min(2, *vectors.shape)
    found = PCA(wide, random_state=seed, **parameters).fit_transform(vectors)
    return np.pad(found, ((0, 0), (0, 2 - wide)))


def _tsne(vectors: Array, seed: int, parameters: dict[str, Any]) -> Array:
    from sklearn.manifold import TSNE

    options = {"perplexity": min(PERPLEXITY, max((len(vectors) - 1) / 3, 0.5)), "init": "pca"} | parameters
    if options["init"] == "pca" and min(vectors.shape) < 2:
        options["init"] = "random"
    return np.asarray(TSNE(2, random_state=seed, **options).fit_transform(vectors))


def _umap(vectors: Array, seed: int, parameters: dict[str, Any]) -> Array:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of tensorflow, which its parametric sibling would use
            from umap import UMAP
    except ModuleNotFoundError:
        raise LabelAuditError(
            'method="umap" needs the package umap-learn. Type: pip install "labelaudit[umap]", or use method="tsne"'
        ) from None
    n = len(vectors)
    options = {"n_neighbors": max(min(UMAP_NEIGHBOURS, n - 1), 2), "metric": "cosine", "n_jobs": 1} | parameters
    if n < 4:  # its spectral start needs more samples than dimensions
        return _pca(vectors, seed, {})
    if n < 16:
        options.setdefault("init", "random")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of vectors without neighbours, which land beside the picture
        return np.asarray(UMAP(n_components=2, random_state=seed, **options).fit_transform(vectors))


_METHODS: dict[str, Callable[[Array, int, dict[str, Any]], Array]] = {"umap": _umap, "tsne": _tsne, "pca": _pca}
