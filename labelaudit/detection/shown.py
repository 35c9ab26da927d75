"""How a detection audit is shown and exported, as its methods."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelaudit.report.page import Report


class DetectionShown:
    """The part of a detection audit that speaks to people and to other tools."""

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        images: Any = None,
        history: Any = None,
        title: str = "Detection audit",
        max_cards: int = 2_000,
        thumbnail_size: int = 240,
        max_image_bytes: int = 24 * 2**20,
    ) -> Report:
        """Write the report: one HTML file with a card per finding, the picture around it and the boxes over it.

        Args:
            path: where to.
            images: the pictures by image id: the folder that the ids are files in; a list (in the order of
                ``samples``) or an array; or a mapping or function from the image id to a path, array or PIL image. None:
                only the boxes are drawn.
            history: the history (or its path) for the curves over the epochs; by default the one that was audited.
            title: of the page.
            max_cards: how many boxes, the flagged and the most suspicious first, can be looked at.
            thumbnail_size: longest side of a piece of a picture in the file, in pixels.
            max_image_bytes: bound of all pictures together; the worst boxes come first.

        Returns:
            The report, with its ``size`` in bytes and ``notes`` on what was left out.

        Raises:
            LabelAuditError: lengths do not fit, or no picture is found.
        """
        from labelaudit.detection.report import make_detection_report

        report = make_detection_report(
            self,
            images=images,
            history=history,
            title=title,
            max_cards=max_cards,
            thumbnail_size=thumbnail_size,
            max_image_bytes=max_image_bytes,
        )
        report.save(path)
        return report

    def show(self, *, images: Any = None, history: Any = None, max_cards: int = 300, height: int = 800) -> Any:
        """Return the report for a notebook cell, as `to_html` makes it; ``height`` in pixels."""
        from labelaudit.detection.report import make_detection_report
        from labelaudit.report.inline import InlineReport

        report = make_detection_report(self, images=images, history=history, max_cards=max_cards)
        return InlineReport(report, height)

    def _repr_html_(self) -> str:
        return str(self.show()._repr_html_())

    def to_label_studio(
        self, path: str | os.PathLike[str], *, images: Any, sizes: Any = None, issues_only: bool = True
    ) -> str:
        """Write tasks for Label Studio, one per image: given boxes as annotation, suggested ones as prediction.

        Boxes are rectangles in per cent of the picture, as Label Studio counts them.

        Args:
            path: the JSON file.
            images: the URL of each image: what to put before the image id (a string), a list in the order of
                ``samples``, or a mapping or function of the image id.
            sizes: (images, 2) width and height in pixels, or a mapping or function from the image id to them; default:
                those that were recorded.
            issues_only: only images with a finding, the worst first; else all.

        Returns:
            The labelling configuration (XML) that the tasks are made for.

        Raises:
            LabelAuditError: the size of an image is unknown.
        """
        from labelaudit.detection import label_studio

        return label_studio.export(self, path, images, sizes, issues_only=issues_only)

    def to_fiftyone(
        self,
        path: str | os.PathLike[str],
        *,
        images: Any = None,
        sizes: Any = None,
        name: str = "labelaudit",
    ) -> None:
        """Write a FiftyOne dataset: the given boxes with what the audit says of them, and the missing objects.

        The fields: ground_truth (Detections with mistakenness, mistakenness_loc, possible_spurious, label_quality,
        issue, suggested_label), missing_objects (Detections with confidence), image_id, and the tag "label_issue" on
        images with a finding. Boxes are relative to the picture, as FiftyOne has them.

        Args:
            path: folder for ``metadata.json`` and ``samples.json``, which
                ``fiftyone.Dataset.from_dir(path, dataset_type=fiftyone.types.FiftyOneDataset)`` loads.
            images: where each image's file is: a folder in which the image ids are file names, a list, or a mapping or
                function of the image id; default: the image ids are the paths.
            sizes: as in `to_label_studio`.
            name: name of the written dataset.

        Raises:
            LabelAuditError: an image has no file, or its size is unknown.
        """
        from labelaudit.detection import fiftyone_dataset

        fiftyone_dataset.export(self, path, images, sizes, name)

    def to_csv(
        self, path: str | os.PathLike[str], *, missing: str | os.PathLike[str] | None = None, issues_only: bool = False
    ) -> None:
        """Write ``objects`` as CSV, or only the flagged ones worst first; and ``missing`` into a second file."""
        from labelaudit.detection import object_files

        object_files.write(self, path, missing, "csv", issues_only=issues_only)

    def to_parquet(
        self, path: str | os.PathLike[str], *, missing: str | os.PathLike[str] | None = None, issues_only: bool = False
    ) -> None:
        """Write ``objects`` as Parquet, or only the flagged ones worst first; and ``missing`` into a second file."""
        from labelaudit.detection import object_files

        object_files.write(self, path, missing, "parquet", issues_only=issues_only)
