"""Names from data on a page: what could not be seen in them, or would turn the text around, is written as a code."""

from __future__ import annotations

import re

_HIDDEN = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff]"
_EMOJI = "[\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"
_CURSIVE = (  # letters and marks of scripts whose letters join: Arabic, Syriac, N'Ko, Mandaic, Mongolian, Phags-pa
    "[\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06ea-\u06ef\u06fa-\u06fc\u06ff\u0710-\u074a\u074d-\u077f\u07ca-\u07f5"
    "\u0840-\u085b\u0860-\u086a\u0870-\u0887\u0889-\u088e\u08a0-\u08e1\u08e3-\u08ff\u1820-\u18aa\ua840-\ua871]"
)
_BRAHMIC = "[\u0900-\u0963\u0966-\u0dff\u1000-\u109f\u1780-\u17ff\u1a20-\u1bff\ua800-\ua82f\ua880-\uabff]"
_VIRAMA = (  # the sign by which two consonants of a Brahmic script become one
    "[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u1039\u103a\u17d2\u1a60\u1b44\u1baa"
    "\u1bab\ua806\ua82c\ua8c4\ua953\ua9c0\uaaf6\uabed]"
)
_JOINED = "|".join(  # a joiner that does something, and the character before it
    (
        f"{_EMOJI}\ufe0f?\u200d(?={_EMOJI})",
        f"{_CURSIVE}[\u200c\u200d](?={_CURSIVE})",
        f"{_VIRAMA}\u200d",
        f"{_VIRAMA}\u200c(?={_BRAHMIC})",
        f"{_BRAHMIC}\u200d(?={_VIRAMA})",
    )
)
_KEPT_OR_HIDDEN = re.compile(f"({_JOINED})|{_HIDDEN}")
_ANY = re.compile("()?.", re.DOTALL)


def visible(text: object) -> str:
    """Return a name from data with its invisible and direction-changing characters made visible, as card.js does.

    Spaces are, too, where there is nothing else. A joiner stays as it is between emoji and between letters that it
    joins or keeps apart, as in Persian or Malayalam; elsewhere it is as invisible as the others.

    >>> visible("a" + chr(0x202E) + "b"), visible("a" + chr(0x200D) + "b")
    ('a⟨U+202E⟩b', 'a⟨U+200D⟩b')
    """
    found = _KEPT_OR_HIDDEN if str(text).strip() else _ANY
    return found.sub(lambda match: match[1] or f"⟨U+{ord(match[0]):04X}⟩", str(text))
