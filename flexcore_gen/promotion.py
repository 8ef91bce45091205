"""Puts an image into an overlay, and leaves every other character of it alone.

An overlay is a person's file, with comments and an order of its own, so it is edited
at the place that YAML's parser names, and then read again: had anything but the image
changed, the edit would be refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import yaml

from flexcore_gen.errors import FlexCoreError

if TYPE_CHECKING:
    from flexcore_gen.deployment import Image


def image_values(image: Image) -> dict[str, str]:
    """The image as `deploy.image` says it: a digest makes a tag needless."""
    values = {key: value for key, value in asdict(image).items() if value}
    if image.digest:
        del values["tag"]
    return values


def with_image(text: str, image: Image, where: str) -> str:
    """An overlay's text with `deploy.image` set.

    Args:
        text: The overlay, which is valid.
        image: What it is to have.
        where: Its path, for errors.

    Raises:
        FlexCoreError: Its form leaves no place that could be edited safely.
    """
    values = image_values(image)
    # JSON is YAML too, and an overlay may be either.
    flow = json.dumps(values)
    edited = _edited(text, flow)
    expected = yaml.safe_load(text) or {}
    expected["deploy"] = {**(expected.get("deploy") or {}), "image": values}
    try:
        is_right = yaml.safe_load(edited) == expected
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        raise FlexCoreError(
            "the file is written in a way that cannot be edited without risk",
            where=where,
            fix=f"write `image: {flow}` below `deploy:` there yourself",
        )
    return edited


def _edited(text: str, flow: str) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    found = _entry(root, "deploy")
    if found is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}deploy:\n  image: {flow}\n"
    key, value = found
    if not isinstance(value, yaml.MappingNode) or not value.value:
        return _spliced(text, key.end_mark, value.end_mark, f":\n  image: {flow}")
    image = _entry(value, "image")
    if image:
        return _spliced(text, image[0].end_mark, _end(image[1]), f": {flow}")
    if value.flow_style:
        first = value.value[0][0].start_mark
        return _spliced(text, first, first, f'"image": {flow}, ')
    indent = " " * value.start_mark.column
    start = value.start_mark
    return _spliced(text, start, start, f"image: {flow}\n{indent}")


def _entry(node: Any, name: str) -> tuple[yaml.Node, yaml.Node] | None:  # noqa: ANN401 - a node or None
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((pair for pair in node.value if pair[0].value == name), None)


def _end(node: yaml.Node) -> yaml.Mark:
    """Where a value ends; a block's own mark is where the next thing begins."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    return node.end_mark


def _spliced(text: str, start: yaml.Mark, end: yaml.Mark, new: str) -> str:
    return text[: start.index] + new + text[end.index :]
