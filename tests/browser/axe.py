"""axe-core: what it finds against WCAG 2.2 AA on a page as it stands."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from playwright.sync_api import Page

_HERE = Path(__file__).parent
_DIGEST = hashlib.sha256(
    (_HERE / "package.json").read_bytes() + (_HERE / "package-lock.json").read_bytes()
).hexdigest()
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
SCRIPT = _CACHE / "onceline" / f"axe-core-{_DIGEST[:12]}" / "node_modules" / "axe-core" / "axe.min.js"
"""Where `install` puts it."""

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AND = ["heading-order", "page-has-heading-one", "landmark-one-main", "region", "skip-link"]
"""Good habits that WCAG does not name as such."""

OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""All that a colour mode can change."""

_RUN = """async ([tags, more, only]) => {
    const rules = Object.fromEntries(more.map(rule => [rule, {enabled: true}]));
    const wanted = only.length ? {runOnly: {type: "rule", values: only}} : {runOnly: {type: "tag", values: tags}, rules};
    const found = await axe.run(document, {...wanted, resultTypes: ["violations"]});
    return found.violations.flatMap(one => one.nodes.map(node => `${one.id}: ${node.target.join(" ")}`
        + ` - ${(node.failureSummary || "").replace(/\\s+/g, " ").slice(0, 220)}`));
}"""


def violations(page: Page, only: Sequence[str] = ()) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(_script())
    found: list[str] = page.evaluate(_RUN, [TAGS, AND, list(only)])
    return found


@cache
def _script() -> str:
    return SCRIPT.read_text()
