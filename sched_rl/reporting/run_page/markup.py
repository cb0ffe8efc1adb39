"""HTML and SVG as a tree of elements: whatever stands in a file or a config is escaped when the tree is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, tostring

#: Characters that no HTML document may hold; they would come from broken files only.
_UNPRINTABLE = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])


def element(tag: str, attributes: Mapping[str, Any] | None = None, *children: Element | str) -> Element:
    """An element with its attributes and content.

    Args:
        tag: of HTML or SVG.
        attributes: by name; numbers are rounded to a tenth of a pixel.
        children: elements and plain text, in order.
    """
    made = Element(tag, {name: _attribute(value) for name, value in (attributes or {}).items()})
    for child in children:
        if not isinstance(child, str):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + _clean(child)
        else:
            made.text = (made.text or "") + _clean(child)
    return made


def data_block(name: str, content: Any) -> Element:
    """JSON for the page's script. Its text is not escaped in HTML, so that nothing in it may open a tag."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return element("script", {"type": "application/json", "id": name}, text)


def document_text(root: Element) -> str:
    """The whole document."""
    return f"<!doctype html>\n{tostring(root, encoding='unicode', method='html')}\n"


def number_text(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def _attribute(value: Any) -> str:
    return number_text(value) if isinstance(value, float) else _clean(str(value))


def _clean(text: str) -> str:
    return text.translate(_UNPRINTABLE)
