"""Feature vectors of samples, and what they say of the data: the public class `Embeddings`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.checks import checked_column, checked_ids, checked_splits, checked_vectors, coded_labels
from labelaudit.embedding.label_votes import VOTERS, LabelVotes
from labelaudit.embedding.vectors import Vectors
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.embedding.similarity import Similarity
    from labelaudit.embedding.visualization import Visualization

Array = npt.NDArray[Any]

# The one place here that names code which runs a model: by name, and only when it is called.
_FEATURES = "labelaudit.callbacks.embed"


class Embeddings(Vectors):
    """One feature vector for each sample: of images, texts, rows of a table, or crops of images.

    Made by `from_arrays`, `from_model` or ``history.embeddings()``.

    Attributes:
        vectors: (n, d), single or double precision.
        sample_ids: (n,) different ids.
        labels: (n,) class numbers, -1 where missing; None without labels.
        splits: (n,) name of each sample's split, or None.
        class_names: one name per class, or None.
        inside: (n,) id of the sample that each vector is a region of, or None where the vectors are whole samples.
        source: {"split", "epoch", "run"} of the history that they were recorded in, or None.

    Example:
        >>> e = Embeddings.from_arrays([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], labels=["cat", "dog", "dog"])
        >>> e.exact_duplicates()["other_id"].tolist()
        [1]
    """

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        sample_ids: Any = None,
        *,
        labels: Any = None,
        splits: Any = None,
        class_names: Sequence[str] | None = None,
        inside: Any = None,
    ) -> Embeddings:
        """Make embeddings of arrays.

        Args:
            X: (n, d) finite numbers; or n vectors, as in a column of a data frame.
            sample_ids: (n,) different ids; default 0 to n - 1.
            labels: (n,) class numbers or names; -1, None or NaN is a missing label.
            splits: (n,) split of each sample, such as "train" and "val".
            class_names: names of the classes, in the order of their numbers.
            inside: (n,) for regions of samples (boxes of objects): the id of the sample that each one lies in.

        Raises:
            LabelAuditError: shapes do not fit, a vector is not finite, an id is there twice.
        """
        vectors = checked_vectors(X)
        n = len(vectors)
        codes, names = (None, None) if labels is None else coded_labels(labels, class_names, n)
        return cls(
            vectors,
            checked_ids(sample_ids, n),
            labels=codes,
            splits=None if splits is None else checked_splits(splits, n),
            class_names=names,
            inside=None if inside is None else checked_column("inside", inside, n),
        )

    @classmethod
    def from_model(
        cls,
        model: Any,
        dataloader: Any,
        *,
        layer: str = "auto",
        patches: pd.DataFrame | None = None,
        sample_ids: Any = None,
        class_names: Sequence[str] | None = None,
        device: Any = None,
        progress: bool = False,
    ) -> Embeddings:
        """Run a PyTorch model over a dataloader and keep its features. Needs torch.

        Args:
            model: a ``torch.nn.Module``. It is put into evaluation mode and back.
            dataloader: yields inputs, or (inputs, labels), in the order of ``sample_ids``: not shuffled.
            layer: name of the submodule whose output is kept; "auto" is the input of the linear layer that gives the
                scores, or the model's own output where it has none. Features of tokens (n, tokens, d) are averaged
                over the tokens, those of images (n, d, height, width) over the places.
            patches: boxes to crop, one vector each, instead of whole images: a frame with columns image_id, x, y, w, h
                (pixels of the image as the dataloader gives it, origin at the top left) and, if there is one,
                category. Every crop is resized to the size of the image. Ids of the result are the frame's index.
            sample_ids: (n,) ids; default the position.
            class_names: names of the classes.
            device: where the model runs; default where its parameters are.
            progress: show a progress bar on standard error.

        Raises:
            LabelAuditError: torch is missing, the layer is unknown, the dataloader is shuffled, or a box lies outside
                its image.
        """
        try:
            features = importlib.import_module(_FEATURES)
        except ModuleNotFoundError as problem:
            raise LabelAuditError(
                f"running a model needs PyTorch, but {problem.name} is not installed. "
                'Type: pip install "labelaudit[train]", or pass vectors to Embeddings.from_arrays'
            ) from None
        found = features.extract(
            model, dataloader, layer=layer, patches=patches, sample_ids=sample_ids, device=device, progress=progress
        )
        return cls.from_arrays(**found, class_names=class_names)

    def uniqueness(
        self, *, metric: str = "cosine", regions: Embeddings | None = None, as_fiftyone: bool = False
    ) -> Array:
        """Return how far each sample is from its nearest three others, (n,) in [0, 1]: **high is unique**.

        See `labelaudit.embedding.uniqueness.uniqueness`.

        Args:
            metric: "cosine" or "euclidean".
            regions: embeddings of regions of the samples (made with ``inside=`` or ``patches=``): a sample counts as
                the mean of its regions, and as its own vector where it has none, as in FiftyOne.
            as_fiftyone: skip the nearest neighbour, as FiftyOne Brain has done since November 2024. An exact duplicate
                then ranks as unique; only to compare with its numbers.
        """
        from labelaudit.embedding.uniqueness import NEIGHBOURS, uniqueness

        of = self if regions is None else self.from_regions(regions)
        found = of.neighbors(NEIGHBOURS + as_fiftyone, metric=metric)
        return uniqueness(found.distances[:, 1:] if as_fiftyone else found.distances)

    def from_regions(self, regions: Embeddings) -> Embeddings:
        """Return these samples as the means of their regions' vectors; those without a region keep their own.

        Raises:
            LabelAuditError: the regions do not say what they are inside of, or have another number of features.
        """
        from labelaudit.embedding.regions import means_of_regions

        return self._at(np.arange(len(self)), means_of_regions(self, regions))

    def representativeness(
        self, *, method: str = "cluster-center", n_clusters: int = 20, seed: int = 1234, as_fiftyone: bool = False
    ) -> Array:
        """Return how near each sample is to the centre of its cluster, (n,) in [0, 1]: **high is representative**.

        See `labelaudit.embedding.representativeness.representativeness`.

        Args:
            method: "cluster-center", or "cluster-center-downweight", which lowers samples beside better ones.
            n_clusters: clusters of k-means.
            seed: of k-means.
            as_fiftyone: the other way round, as FiftyOne Brain has it (its highest are the outliers).
        """
        from labelaudit.embedding.representativeness import representativeness

        return representativeness(self.vectors, method, n_clusters, seed, as_fiftyone=as_fiftyone)

    def similarity(self, *, metric: str = "cosine") -> Similarity:
        """Return an index for look-alikes, unique samples and near duplicates.

        Args:
            metric: "cosine" (1 - cos, 0 to 2) or "euclidean".
        """
        from labelaudit.embedding.similarity import Similarity

        return Similarity(self, metric)

    def visualize(self, method: str = "umap", *, seed: int = 0, **parameters: Any) -> Visualization:
        """Return (n, 2) points: a picture of the data in which look-alikes lie together.

        Args:
            method: "umap" (needs the extra ``labelaudit[umap]``), "tsne" or "pca".
            seed: the same seed gives the same points.
            parameters: go to the method: n_neighbors and min_dist of UMAP, perplexity of t-SNE, ...

        Returns:
            An object that NumPy takes for the (n, 2) array, with ``.points`` and ``.plot()``.
        """
        from labelaudit.embedding.visualization import visualize

        return visualize(self, method, seed, parameters)

    def label_votes(self, k: int = VOTERS, *, metric: str = "cosine") -> LabelVotes:
        """Return what the labels of each sample's k nearest neighbours say; its own label does not vote.

        Args:
            k: number of neighbours.
            metric: "cosine" or "euclidean".

        Returns:
            An object with ``probabilities()``, p(label | neighbours) (n, K); ``share(self.labels)``, the share of
            votes for the given label (**low is suspicious**); and ``conflict``, see
            `labelaudit.embedding.label_votes.LabelVotes`.

        Raises:
            LabelAuditError: the embeddings have no labels.
        """
        if self.labels is None:
            raise LabelAuditError(
                "these embeddings have no labels that could vote. Type: Embeddings.from_arrays(X, labels=labels)"
            )
        n_classes = len(self.class_names or ()) or int(self.labels.max(initial=0)) + 1
        return LabelVotes.of(self.neighbors(k, metric=metric), self.labels, n_classes)

    def exact_duplicates(self) -> pd.DataFrame:
        """Return every pair (first, later) of samples with equal vectors; see `labelaudit.embedding.duplicates`."""
        from labelaudit.embedding.duplicates import exact_duplicates

        return exact_duplicates(self)

    def near_duplicates(self, threshold: float, *, metric: str = "cosine") -> pd.DataFrame:
        """Return every pair of samples at most ``threshold`` apart, nearest first."""
        from labelaudit.embedding.duplicates import near_duplicates

        return near_duplicates(self, threshold, metric)

    def label_conflicts(self, threshold: float, *, metric: str = "cosine") -> pd.DataFrame:
        """Return every pair of samples at most ``threshold`` apart whose labels differ, nearest first."""
        from labelaudit.embedding.duplicates import label_conflicts

        return label_conflicts(self, threshold, metric)

    def leaks(self, threshold: float, *, metric: str = "cosine", splits: Sequence[str] | None = None) -> pd.DataFrame:
        """Return every pair of samples at most ``threshold`` apart that lie in different splits, nearest first.

        Args:
            threshold: largest distance.
            metric: "cosine" or "euclidean".
            splits: between which splits; default all.
        """
        from labelaudit.embedding.duplicates import leaks

        return leaks(self, threshold, metric, splits)
