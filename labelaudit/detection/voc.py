"""Pascal VOC's XML files, one per image. The parser refuses document types, and so every entity."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from labelaudit.detection.folders import label_files, place_in
from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError


def parse(path: Path) -> ElementTree.Element:
    """Return the root of an XML file that defines no document type, with its comments."""
    try:
        return parse_bytes(path.read_bytes(), path)
    except OSError as problem:
        raise LabelAuditError(f"{path} cannot be read as XML: {problem}") from None


def parse_bytes(data: bytes, path: Path) -> ElementTree.Element:
    """Return the root of what an XML file holds, or will hold."""
    builder = ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: Any) -> None:
        raise LabelAuditError(
            f"{path} defines a document type or entities; Pascal VOC files have none, so it is not read"
        )

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda name, attributes: builder.start(name, attributes)
    parser.EndElementHandler = lambda name: builder.end(name)
    parser.CharacterDataHandler = lambda text: builder.data(text)
    parser.CommentHandler = lambda text: builder.comment(text)
    parser.ProcessingInstructionHandler = lambda target, text: builder.pi(target, text)
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as problem:  # the latter two: an encoding that expat lacks
        raise LabelAuditError(f"{path} cannot be read as XML: {problem}") from None


def around(data: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and after the root of an XML file: its declaration, comments.

    Nothing where the encoding is one, as UTF-16, that the ASCII of a changed root can't be put into.
    """
    parser = expat.ParserCreate()
    starts: list[int] = []
    ends: list[int] = []
    parser.StartElementHandler = lambda name, attributes: starts.append(parser.CurrentByteIndex)
    parser.EndElementHandler = lambda name: ends.append(parser.CurrentByteIndex)
    parser.Parse(data, True)
    if b"\0" in data[starts[0] : starts[0] + 2]:
        return b"", b"\n"
    return data[: starts[0]], data[data.index(b">", ends[-1]) + 1 :]


def read(folder: Path) -> BoxTable:
    """Read a folder of Pascal VOC files; the image id is the file's path in the folder without its ending.

    VOC counts pixels from 1 and both corners lie in the box: xmin 1, xmax 10 is x 0, w 10.
    """
    import pandas as pd

    rows: list[list[Any]] = []
    ids: list[Any] = []
    sizes: dict[Any, tuple[float, float]] = {}
    pictures: dict[Any, str] = {}
    files = label_files(folder, ".xml")
    for of, path in files.items():
        root = parse(path)
        if root.tag != "annotation":
            raise LabelAuditError(f"{path} is not Pascal VOC: it holds <{root.tag}>; expected <annotation>")
        ids.append(of)
        picture = (root.findtext("filename") or "").strip()
        if Path(picture).stem == path.stem:  # else the files were renamed since
            pictures[of] = (PurePosixPath(of).parent / picture).as_posix()
        size = [_number(root, f"size/{side}", path, needed=False) for side in ("width", "height")]
        if min(size) > 0:
            sizes[of] = (size[0], size[1])
        for name, left, top, right, bottom in objects_of(root, path):
            rows.append([of, name, left - 1, top - 1, right - left + 1, bottom - top + 1])
    frame = pd.DataFrame(rows, columns=["image_id", "category", "x", "y", "w", "h"])
    own = {of: place_in(folder, path) for of, path in files.items()}
    return BoxTable(frame, str(folder), ids, sizes, None, "voc", pictures, own)


def objects_of(root: ElementTree.Element, path: Path) -> list[tuple[str, float, float, float, float]]:
    """Return name, xmin, ymin, xmax and ymax of every object of a file."""
    found = []
    for item in root.iter("object"):
        name = (item.findtext("name") or "").strip()
        if not name:
            raise LabelAuditError(f"{path}: an object has no name")
        left, top, right, bottom = (_number(item, f"bndbox/{side}", path) for side in ("xmin", "ymin", "xmax", "ymax"))
        found.append((name, left, top, right, bottom))
    return found


def _number(element: ElementTree.Element, where: str, path: Path, needed: bool = True) -> float:
    text = element.findtext(where)
    if not needed and not (text or "").strip():
        return 0.0
    try:
        number = float(text or "")
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        raise LabelAuditError(f"{path}: {where} is {text!r}; expected a number") from None
    return number
