"""Ratios as bars, in SVG: nothing to install, and a text that a diff can show."""

from collections.abc import Sequence
from html import escape

_WIDTH, _LEFT, _BAR, _STEP = 760, 270, 22, 34


def chart(rows: Sequence[tuple[str, float, float]], caption: str) -> str:
    """Bars of (name, ratio, goal), each with a mark at its goal if that is not 0; `caption` stands below."""
    widest = max(max(ratio, goal) for _, ratio, goal in rows) * 1.15
    scale = (_WIDTH - _LEFT - 60) / widest
    height = _STEP * len(rows) + 40
    box = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for place, (name, ratio, goal) in enumerate(rows):
        top = 10 + place * _STEP
        middle = top + _BAR * 0.7
        mark = _LEFT + goal * scale
        end = _LEFT + max(ratio, goal) * scale + 6
        parts += [
            f'<text x="{_LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{ratio * scale:.1f}" height="{_BAR}" fill="#3b6ea5"/>',
            f'<path d="M{mark:.1f} {top - 3}V{top + _BAR + 3}" stroke="#c0392b" stroke-width="2"/>' if goal else "",
            f'<text x="{end:.1f}" y="{middle:.0f}">{ratio:.2f}</text>',
        ]
    parts.append(f'<text x="10" y="{height - 8}" fill="#555555" font-size="11">{escape(caption)}</text>')
    return "\n".join([*parts, "</svg>", ""])
