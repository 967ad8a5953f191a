"""Tables for notebooks, every text in them escaped: names may come from files of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["html_table"]


def html_table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str]], note: str = ""
) -> str:
    """An HTML table of plain texts.

    Parameters
    ----------
    title : str
        A line above.
    header : sequence of str
        Of the columns; none is shown where it is empty.
    rows : iterable of sequence of str
    note : str
        Lines below.
    """
    lines = [f"<div><p>{_text(title)}</p><table>"]
    if header:
        lines.append(f"<thead>{_row(header, 'th')}</thead>")
    lines += ["<tbody>", *(_row(row, "td") for row in rows), "</tbody></table>"]
    lines.append(f"<p>{_text(note)}</p></div>" if note else "</div>")
    return "\n".join(lines)


def _row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{_text(cell)}</{tag}>' for cell in cells)}</tr>"


def _text(text: str) -> str:
    return escape(str(text)).replace("\n", "<br>")
