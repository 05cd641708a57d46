"""The rules for labels that arrive over the wire."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_slo.series import Labels, labels_of


def check_labels(pairs: Sequence[tuple[str | None, str | None]]) -> tuple[Labels, str | None]:
    """(labels, None), or (what can be shown of them, why they are refused). None stands for bytes that are not UTF-8.

    Names are any UTF-8 (Prometheus 3), present once and not empty; labels with an empty value are no labels. Pairs out
    of order are put in order, as Prometheus does: the order says nothing, and old senders have sent any.
    """
    shown = tuple((name or "", value or "") for name, value in pairs)
    if any(name is None or value is None for name, value in pairs):
        return shown, "a label is not UTF-8"
    if any("\0" in name or "\0" in value for name, value in shown):
        return shown, "a label holds a NUL"
    names = [name for name, _ in shown]
    if "" in names:
        return shown, "a label has an empty name"
    if len(set(names)) != len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        return shown, f"label {twice!r} stands twice"
    labels = labels_of(shown)
    if not any(name == "__name__" for name, _ in labels):
        return shown, "no metric name (label __name__)"
    return labels, None


def text_of(raw: bytes) -> str | None:
    """UTF-8 as text, or None when it is not."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
