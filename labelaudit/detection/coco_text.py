"""A COCO file as spans of text: a correction changes the values that it is about, and every other character stays."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
Annotation = dict[str, Any]
Span = tuple[int, int]
Edit = tuple[int, int, str]


class _Member(NamedTuple):
    """Where a member of an object stands: its name from start to colon, its value from there to end."""

    name: str
    start: int
    colon: int
    value: int
    end: int


def edited(text: str, before: Sequence[Annotation], kept: Mapping[int, Annotation], new: Sequence[Annotation]) -> str:
    """Return a file whose annotations are those kept, then new ones, laid out as the file is.

    Args:
        text: the file, which is valid JSON: an object with annotations, or a list of them.
        before: its annotations.
        kept: {position among the old annotations: what it is to be}; others are taken away.
        new: annotations to be added.
    """
    start = _skip(text, 0)
    if text[start] == "{":
        start = [one for one in _members(text, start) if one.name == "annotations"][-1].value
    items = list(_items(text, start))
    edits: list[Edit] = []
    for place, span in enumerate(items):
        if place in kept and kept[place] != before[place]:
            edits += _changes(text, span, before[place], kept[place])
    edits += _without(items, [place for place in range(len(items)) if place not in kept])
    if new:
        edits.append(_added(text, start, items, new, alone=not kept))
    parts, last = [], 0
    for begin, end, instead in sorted(edits):
        parts += [text[last:begin], instead]
        last = end
    return "".join([*parts, text[last:]])


def _skip(text: str, at: int) -> int:
    """Return where the space that begins here ends."""
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _past(text: str, at: int) -> int:
    """Return where the element after the one that ends here begins, or where the closing bracket stands."""
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _items(text: str, start: int) -> Iterator[Span]:
    at = _skip(text, start + 1)
    while text[at] != "]":
        end = _DECODER.raw_decode(text, at)[1]
        yield at, end
        at = _past(text, end)


def _members(text: str, start: int) -> Iterator[_Member]:
    at = _skip(text, start + 1)
    while text[at] != "}":
        name, colon = _DECODER.raw_decode(text, at)
        value = _skip(text, _skip(text, colon) + 1)
        end = _DECODER.raw_decode(text, value)[1]
        yield _Member(name, at, colon, value, end)
        at = _past(text, end)


def _changes(text: str, span: Span, before: Annotation, after: Annotation) -> Iterator[Edit]:
    """Yield what makes an annotation another one that has no member more."""
    members = list(_members(text, span[0]))
    for one in members:
        if one.name in after:
            yield from _value(text, (one.value, one.end), before[one.name], after[one.name])
    spans = [(one.start, one.end) for one in members]
    yield from _without(spans, [place for place, one in enumerate(members) if one.name not in after])


def _value(text: str, span: Span, before: Any, after: Any) -> Iterator[Edit]:
    """Yield what makes a value another one; of a list of the same length, each element that differs."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for item, old, now in zip(_items(text, span[0]), before, after, strict=True):
            yield from _value(text, item, old, now)
    elif before != after:
        yield *span, json.dumps(after)


def _without(spans: Sequence[Span], places: Sequence[int]) -> Iterator[Edit]:
    """Yield what takes elements away, each with one comma."""
    leading = next((n for n, place in enumerate(places) if n != place), len(places))
    if leading:
        yield spans[0][0], spans[leading][0] if leading < len(spans) else spans[-1][1], ""
    for place in places[leading:]:
        yield spans[place - 1][1], spans[place][1], ""


def _added(text: str, start: int, items: Sequence[Span], new: Sequence[Annotation], *, alone: bool) -> Edit:
    """Return the edit that adds annotations after the last one, laid out as that is."""
    if not items:
        return start + 1, start + 1, ", ".join(map(json.dumps, new))
    between = _layout(text, (start, 0), items)[1]
    written = between.join(_object(text, items[-1], one) for one in new)
    at = items[-1][1]
    return at, at, written if alone else between + written


def _layout(text: str, whole: Span, parts: Sequence[Span]) -> tuple[str, str, str]:
    """Return what stands before, between and after the elements of a list or an object."""
    before, after = text[whole[0] + 1 : parts[0][0]], text[parts[-1][1] : whole[1] - 1]
    ends = [text[first[1] : second[0]] for first, second in itertools.islice(itertools.pairwise(parts), 1)]
    return before, ends[0] if ends else "," + (before or " "), after


def _object(text: str, like: Span, annotation: Annotation) -> str:
    """Return an annotation as text, its members in the order of another one, and the rest after them."""
    members = {one.name: one for one in _members(text, like[0])}
    before, between, after = _layout(text, like, [(one.start, one.end) for one in members.values()])
    first = next(iter(members.values()))
    colon = text[first.colon : first.value]
    names = [*(name for name in members if name in annotation), *(name for name in annotation if name not in members)]
    box = members["bbox"]
    corner = _layout(text, (box.value, box.end), list(_items(text, box.value)))

    def value(of: Any) -> str:
        return f"[{corner[0]}{corner[1].join(map(json.dumps, of))}{corner[2]}]" if type(of) is list else json.dumps(of)

    return (
        "{" + before + between.join(json.dumps(name) + colon + value(annotation[name]) for name in names) + after + "}"
    )
