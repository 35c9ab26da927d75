"""The exports of an audit, as its methods."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd

    from labelaudit.auditing.result import Audit

OF_BOXES = "Take audit.objects, or export with to_csv, to_parquet, to_label_studio or to_fiftyone"


class Exports:
    """The part of an `Audit` that speaks to other tools."""

    def to_cleanlab(self) -> pd.DataFrame:
        """Return cleanlab's frame of label issues.

        Returns:
            One row per sample in dataset order, index sample_id: is_label_issue; label_score, 0 to 1, low is
            suspicious; given_label; predicted_label. As ``Datalab.get_issues("label")`` has them.
        """
        from labelaudit.exporting import tables

        cast("Audit", self).refuse_boxes("to_cleanlab()", OF_BOXES)
        return tables.cleanlab_frame(cast("Audit", self))

    def to_fiftyone(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        images: Any = None,
        dataset: Any = None,
        key_field: str = "filepath",
        name: str = "labelaudit",
        sizes: Any = None,
    ) -> None:
        """Write a FiftyOne dataset, or set fields on one that is loaded.

        The fields: ground_truth and suggested_label (Classification; the suggestion with its confidence),
        label_quality, is_label_issue, mistakenness, hardness, forgetting_events, sample_id, and the tag "label_issue"
        on flagged samples.

        Args:
            path: folder for ``metadata.json`` and ``samples.json``, which
                ``fiftyone.Dataset.from_dir(path, dataset_type=fiftyone.types.FiftyOneDataset)`` loads. FiftyOne is
                not needed to write them.
            images: where each sample's file is: a folder in which the sample ids are file names, a list, or a mapping
                or function of the sample id; default: the sample ids are the paths.
            dataset: a FiftyOne dataset to set the fields on instead (all but ground_truth).
            key_field: its field that identifies a sample: the one with the paths, or one that holds the sample ids.
            name: name of the written dataset.
            sizes: of a detection audit: (images, 2) width and height in pixels, or a mapping or function of the image
                id; default: those that were recorded.

        A detection audit has other fields: ground_truth (Detections with mistakenness, mistakenness_loc,
        possible_spurious, label_quality, is_label_issue, issue, suggested_label and suggested_box), missing_objects
        (Detections), and on the sample mistakenness, possible_missing and possible_spurious.

        Raises:
            LabelAuditError: neither or both of path and dataset are given, a sample has no file, or the size of an
                image with boxes is unknown.
        """
        from labelaudit.exporting import fiftyone

        audit = cast("Audit", self)
        if audit.objects is None:
            fiftyone.export(audit, path, images, dataset, key_field, name)
        else:
            from labelaudit.detection.exporting import fiftyone as fiftyone_dataset

            fiftyone_dataset.export(audit, path, images, dataset, sizes, name)

    def to_label_studio(
        self,
        path: str | os.PathLike[str],
        *,
        images: Any = None,
        texts: Any = None,
        issues_only: bool = True,
        sizes: Any = None,
    ) -> str:
        """Write tasks for Label Studio: the given label as annotation, the suggestion as prediction with its score.

        The scores stand under ``data`` as well (label_quality, suggestion_confidence, suggested_label, reason), so
        that the Data Manager can sort by them.

        Args:
            path: the JSON file.
            images: the URL of each sample's image: what to put before the sample id (a string), a list, or a mapping or
                function of the sample id.
            texts: the text of each sample instead: a list, or a mapping or function of the sample id.
            issues_only: only flagged samples, the worst first; else all, in dataset order.
            sizes: of a detection audit, as in `to_fiftyone`. Its tasks hold all boxes of an image as rectangles, the
                given ones as annotation, the suggested ones as prediction, in per cent of the picture.

        Returns:
            The labelling configuration (XML) that the tasks are made for.

        Raises:
            LabelAuditError: neither or both of images and texts are given, or the size of an image with boxes is
                unknown.
        """
        from labelaudit.exporting import label_studio

        audit = cast("Audit", self)
        if audit.objects is None:
            return label_studio.export(audit, path, images, texts, issues_only=issues_only)
        from labelaudit.detection.exporting import label_studio as of_boxes

        return of_boxes.export(audit, path, images, sizes, issues_only=issues_only)

    def to_spotlight(self, path: str | os.PathLike[str]) -> list[Any]:
        """Write a Parquet file that Renumics Spotlight opens, and return the issues to show with it.

        Args:
            path: the Parquet file, one row per sample in dataset order, all columns.

        Returns:
            One issue for the flagged samples of each frequent class pair, with the numbers of their rows: objects of
            Spotlight's ``DataIssue`` where it is installed, else dicts with its fields; for
            ``spotlight.show(path, issues=...)``.
        """
        from labelaudit.exporting import spotlight

        cast("Audit", self).refuse_boxes("to_spotlight()", OF_BOXES)
        return spotlight.export(cast("Audit", self), path)

    def to_huggingface(self, dataset: Any = None, *, id_column: str | None = None) -> Any:
        """Return a Hugging Face ``datasets.Dataset`` with the audit's columns.

        Args:
            dataset: the dataset that was trained on; it comes back with columns added, rows in its own order and null
                where the audit has no such sample. None: a dataset of the audit alone.
            id_column: its column with the sample ids; None: a sample's id is its row.

        Raises:
            LabelAuditError: ``datasets`` is not installed, a column is there already, or an id is twice.
        """
        from labelaudit.exporting import huggingface

        cast("Audit", self).refuse_boxes("to_huggingface()", OF_BOXES)
        return huggingface.export(cast("Audit", self), dataset, id_column)
