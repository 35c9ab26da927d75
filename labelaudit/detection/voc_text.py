"""A Pascal VOC file as spans of bytes: a correction changes the name, the numbers or the object that it is about."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from labelaudit.detection.rows import Row

SIDES = ("xmin", "ymin", "xmax", "ymax")
_SPACE = b" \t\r\n"
Edit = tuple[int, int, bytes]


class OddLayoutError(Exception):
    """The file is laid out in a way that no edit of its text fits."""


@dataclass
class _Element:
    """An element's place in the file: of its tags, of what is between them, and of the elements there."""

    name: str
    start: int
    inner: int = -1
    inner_end: int = -1
    end: int = -1
    children: list[_Element] = field(default_factory=list)

    def child(self, name: str) -> _Element:
        for one in self.children:
            if one.name == name:
                return one
        raise OddLayoutError(name)


def edited(data: bytes, rows: Sequence[Row], start: int, names: dict[Any, str]) -> bytes:
    """Return a file whose objects are those of the rows; every byte that need not change stays.

    Args:
        data: the file, which the reader has accepted.
        rows: the file's boxes.
        start: number of the file's first old box among all.
        names: of the categories.

    Raises:
        OddLayoutError: its encoding or its layout does not allow that.
    """
    root, encoding = _elements(data)
    objects = [one for one in root.children if one.name == "object"]
    if len(objects) != sum(one.name == "object" for one in _all(root)):
        raise OddLayoutError("objects in objects")
    kept = {row["row"] - start: row for row in rows if row["row"] >= 0}
    new = [row for row in rows if row["row"] < 0]
    edits: list[Edit] = []
    for number, item in enumerate(objects):
        if number in kept:
            edits += _changes(data, item, kept[number], names, encoding)
        elif not new or item is not objects[-1]:
            edits.append((*_with_its_line(data, item, root), b""))
    if new:
        edits.append(_added(data, root, objects, new, names, encoding, in_place_of_last=len(objects) - 1 not in kept))
    parts, last = [], 0
    for begin, end, text in sorted(edits):
        parts += [data[last:begin], text]
        last = end
    return b"".join([*parts, data[last:]])


def texts_of(row: Row, names: dict[Any, str]) -> dict[str, str]:
    """Return a box as VOC's texts: corners count from 1, and both lie in the box."""
    corners = (row["x"] + 1, row["y"] + 1, row["x"] + row["w"], row["y"] + row["h"])
    numbers = {name: f"{value:.10g}" for name, value in zip(SIDES, corners, strict=True)}
    return {"name": str(names.get(row["category"], row["category"])), **numbers}


def _elements(data: bytes) -> tuple[_Element, str]:
    """Return the root element with the places of all in it, and the file's encoding."""
    body = data[len(codecs.BOM_UTF8) :] if data.startswith(codecs.BOM_UTF8) else data
    if not body.lstrip(_SPACE).startswith(b"<") or b"\0" in data:  # not every byte below 128 is that character of ASCII
        raise OddLayoutError("encoding")
    parser = expat.ParserCreate()
    encoding = "utf-8"
    above: list[_Element] = [_Element("", 0)]

    def place(*_: Any) -> None:
        """The first thing after a start tag is where its content begins."""
        if above[-1].inner < 0:
            above[-1].inner = parser.CurrentByteIndex

    def declared(version: str, declared_encoding: str | None, standalone: int) -> None:
        nonlocal encoding
        encoding = declared_encoding or encoding

    def begin(name: str, _: Any) -> None:
        place()
        above.append(_Element(name, parser.CurrentByteIndex))
        above[-2].children.append(above[-1])

    def finish(_: str) -> None:
        at = parser.CurrentByteIndex
        place()
        one = above.pop()
        is_empty_tag = one.inner == at and data[at - 2 : at] == b"/>"
        one.inner_end, one.end = at, at if is_empty_tag else data.index(b">", at) + 1

    parser.XmlDeclHandler = declared
    parser.StartElementHandler, parser.EndElementHandler = begin, finish
    parser.CharacterDataHandler = parser.CommentHandler = parser.ProcessingInstructionHandler = place
    parser.StartCdataSectionHandler = place
    parser.Parse(data, True)
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise OddLayoutError("encoding") from None
    return above[0].children[0], encoding


def _all(element: _Element) -> Iterator[_Element]:
    for one in element.children:
        yield one
        yield from _all(one)


def _changes(data: bytes, item: _Element, row: Row, names: dict[Any, str], encoding: str) -> Iterator[Edit]:
    """Yield what changes in an object that is kept."""
    texts = texts_of(row, names)
    if row["change"] == "class":
        yield _replaced(data, item.child("name"), texts["name"], encoding)
    elif row["change"] == "location":
        box = item.child("bndbox")
        for side in SIDES:
            one = box.child(side)
            if _number(data[one.inner : one.inner_end]) != float(texts[side]):
                yield _replaced(data, one, texts[side], encoding)


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:  # a comment beside it, or a character reference
        raise OddLayoutError("number") from None


def _replaced(data: bytes, element: _Element, text: str, encoding: str) -> Edit:
    """Return the edit that gives an element another text, with the spaces around the old one."""
    old = data[element.inner : element.inner_end]
    if b"<" in old or not old.strip(_SPACE):  # a comment, CDATA
        raise OddLayoutError(element.name)
    begin = element.inner + len(old) - len(old.lstrip(_SPACE))
    end = element.inner_end - (len(old) - len(old.rstrip(_SPACE)))
    return begin, end, _bytes(text, encoding)


def _bytes(text: str, encoding: str) -> bytes:
    return escape(text).encode(encoding, "xmlcharrefreplace")


def _with_its_line(data: bytes, item: _Element, root: _Element) -> tuple[int, int]:
    """Return the place of an element, with the lines that hold nothing else."""
    lead = _lead(data, item, root)
    after = data.find(b"\n", item.end, root.inner_end) + 1
    if lead is None or not after or data[item.end : after].strip(_SPACE):
        return item.start, item.end
    return item.start - len(lead), after


def _lead(data: bytes, element: _Element, parent: _Element) -> bytes | None:
    """Return the space in front of an element that begins its line; None: it does not."""
    line = data.rfind(b"\n", parent.inner, element.start) + 1
    lead = data[line : element.start]
    return lead if line and not lead.strip(_SPACE) else None


def _added(
    data: bytes,
    root: _Element,
    objects: list[_Element],
    new: list[Row],
    names: dict[Any, str],
    encoding: str,
    *,
    in_place_of_last: bool,
) -> Edit:
    """Return the edit that adds objects after the last one, or after what else the file holds, laid out as that is."""
    if not root.children:
        raise OddLayoutError("nothing to stand beside")
    last = (objects or root.children)[-1]
    lead = _lead(data, last, root)
    end_of_line = b"\r\n" if b"\r\n" in data else b"\n"
    if lead is None:
        layout = [b""] * 3
    else:
        inside = _lead(data, last.children[0], last) if objects and last.children else None
        step = inside[len(lead) :] if inside is not None and inside.startswith(lead) else lead or b"\t"
        layout = [end_of_line + lead + step * depth for depth in range(3)]
    texts = [_object(texts_of(row, names), layout, encoding) for row in new]
    if objects and in_place_of_last:
        return last.start, last.end, layout[0].join(texts)
    after = last.end
    rest = data[after : data.find(b"\n", after, root.inner_end)] if lead is not None else b""
    if b"<!--" in rest and rest.count(b"<") == rest.count(b"<!--") and rest.rstrip(_SPACE).endswith(b"-->"):
        after += len(rest.rstrip(_SPACE))  # a comment on that object stays beside it
    return after, after, b"".join(layout[0] + text for text in texts)


def _object(texts: dict[str, str], layout: list[bytes], encoding: str) -> bytes:
    first, second, third = layout

    def element(name: str) -> bytes:
        return b"<%s>%s</%s>" % (name.encode(), _bytes(texts[name], encoding), name.encode())

    corners = b"".join(third + element(side) for side in SIDES)
    return (
        b"<object>"
        + second
        + element("name")
        + second
        + b"<bndbox>"
        + corners
        + second
        + b"</bndbox>"
        + first
        + b"</object>"
    )
