"""python -m tests.contract FILE: which engine keeps which promise, as the tests wrote it there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

SIGNS = {"passed": "yes", "failed": "NO", "skipped": "-"}
WORST = ("failed", "skipped", "passed")


def table(lines: list[dict[str, str]]) -> str:
    """Promise by engine; below it, why what was skipped cannot be."""
    columns = sorted({(one["engine"], one["as"]) for one in lines})
    kept: dict[tuple[str, str, str], str] = {}
    reasons: dict[str, set[str]] = {}
    for one in lines:
        key = (one["promise"], one["engine"], one["as"])
        kept[key] = min(kept.get(key, "passed"), one["outcome"], key=WORST.index)
        if one["reason"]:
            reasons.setdefault(one["reason"], set()).add(f"{one['engine']} ({one['as']})")
    promises = sorted({one["promise"] for one in lines})
    wide = max(len(promise) for promise in promises)
    rows = [" " * wide + "  " + "  ".join(f"{name} {who}" for name, who in columns)]
    for promise in promises:
        signs = (SIGNS.get(kept.get((promise, *one), ""), "") for one in columns)
        cells = (f"{sign:<{len(' '.join(one))}}" for sign, one in zip(signs, columns, strict=True))
        rows.append(f"{promise.replace('_', ' '):<{wide}}  {'  '.join(cells)}".rstrip())
    rows += [f"  -: {why}: {', '.join(sorted(whose))}" for why, whose in sorted(reasons.items())]
    return "\n".join(rows)


if __name__ == "__main__":
    print(table([json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]))
