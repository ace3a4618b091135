"""Runs docs/guides/python.md: every Python block, in order, in one namespace; and the README of the package."""

from __future__ import annotations

import re


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)


def test_every_block_of_the_guide_runs(root):
    code = blocks((root / "docs" / "guides" / "python.md").read_text())
    assert len(code) == 6
    namespace = {}
    for block in code:
        exec(block, namespace)


def test_the_packages_readme_runs(root):
    for block in blocks((root / "bindings" / "python" / "README.md").read_text()):
        exec(block, {})
