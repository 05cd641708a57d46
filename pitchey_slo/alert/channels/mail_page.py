"""The HTML of a mail: one column that fits a phone, light and dark, readable where styles are stripped.

Colours stand in the tags too, because many mail programs drop `<style>`; it only adds the dark ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from pitchey_slo.alert.text import AlertText, Told

#: mood -> (bar, text on a light ground, text on a dark ground)
COLOURS: Final = {
    "critical": ("#c0392b", "#a42a1e", "#ff8a7a"),
    "warning": ("#e0a100", "#8a6200", "#f2c14e"),
    "info": ("#2f6fb5", "#24588f", "#86b8ef"),
    "resolved": ("#2e8b57", "#22683f", "#79d3a0"),
}
_FONT: Final = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
_STYLE: Final = """
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  body, .ground { background: #16181c !important; }
  .card { background: #202329 !important; border-top-color: #363b44 !important; border-right-color: #363b44 !important;
    border-bottom-color: #363b44 !important; }
  .text { color: #e8eaed !important; }
  .quiet { color: #a3a9b3 !important; }
  .rule { border-color: #363b44 !important; }
  .label { background: #2c313a !important; color: #d5d9df !important; }
  .button { background: #2c313a !important; color: #a9ccf7 !important; border-color: #4a515d !important; }
  .mood { color: DARK !important; }
}
@media (max-width: 480px) { .button { display: block !important; margin-right: 0 !important; text-align: center; } }
"""


def page(told: Told) -> str:
    """The whole document; everything that others wrote is escaped."""
    bar, light, dark = COLOURS[told.mood]
    title = f"margin:0 0 12px;font-size:19px;line-height:1.35;color:{light}"
    body = [f'<h1 class="mood" style="{title}">{_text(told.title)}</h1>']
    body += [_paragraph(line) for line in told.lines]
    body += [_alert(alert) for alert in told.alerts]
    if told.more:
        body.append(_paragraph(f"… and {told.more} more."))
    if told.labels:
        lead = '<span class="quiet" style="color:#667">All of them: </span>' if len(told.alerts) > 1 else ""
        body.append(f'<p style="margin:14px 0 0;line-height:2">{lead}{_labels(told.labels)}</p>')
    if told.links:
        body.append(f'<p style="margin:16px 0 0">{"".join(_button(t, a) for t, a in told.links.items())}</p>')
    first = told.alerts[0].lines[0] if told.alerts and told.alerts[0].lines else " ".join(told.lines[:1])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<title>{_text(told.title)}</title><style>{_STYLE.replace("DARK", dark)}</style></head>
<body class="ground" style="margin:0;padding:0;background:#f2f3f5">
<div style="display:none;max-height:0;overflow:hidden">{_text(first)}</div>
<table role="presentation" class="ground" width="100%" cellpadding="0" cellspacing="0" style="background:#f2f3f5"><tr>
<td align="center" style="padding:16px 8px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" style="max-width:620px;
background:#ffffff;border:1px solid #dcdfe4;border-left:5px solid {bar};border-radius:6px"><tr>
<td class="text" align="left" style="padding:18px 20px;font:15px/1.5 {_FONT};color:#1d2127;overflow-wrap:anywhere">
{"".join(body)}
</td></tr></table>
<p class="quiet" style="max-width:620px;margin:10px auto 0;font:12px/1.4 {_FONT};color:#667">Sent by pitchey-slo.</p>
</td></tr></table></body></html>
"""


def _alert(alert: AlertText) -> str:
    mood = "resolved" if alert.state == "resolved" else alert.severity
    light = COLOURS.get(mood, COLOURS["info"])[1]
    done = "✓ " if alert.state == "resolved" else ""
    parts = [f'<div class="text" style="font-weight:600;color:{light}">{done}{_text(alert.head)}</div>']
    parts += [_paragraph(line, "4px 0 0") for line in alert.lines]
    if alert.labels:
        parts.append(f'<div style="margin:6px 0 0;line-height:2">{_labels(alert.labels)}</div>')
    parts.append(f'<div class="quiet" style="margin:4px 0 0;font-size:13px;color:#667">{_text(alert.timing)}</div>')
    if alert.links:
        parts.append(f'<div style="margin:8px 0 0">{"".join(_button(t, a) for t, a in alert.links.items())}</div>')
    style = "padding:12px 0 0;margin:12px 0 0;border-top:1px solid #e4e6ea"
    return f'<div class="rule" style="{style}">{"".join(parts)}</div>'


def _paragraph(line: str, margin: str = "0 0 6px") -> str:
    return f'<p class="text" style="margin:{margin}">{_text(line)}</p>'


def _labels(labels: Mapping[str, str]) -> str:
    style = f"background:#eef0f3;color:#333a44;border-radius:4px;padding:2px 6px;font:12px {_MONO};margin:0 4px 0 0"
    return "".join(f'<code class="label" style="{style}">{_text(f"{k}={v}")}</code> ' for k, v in labels.items())


def _button(text: str, address: str) -> str:
    style = (
        "display:inline-block;margin:0 8px 8px 0;padding:9px 14px;border:1px solid #c9ced6;border-radius:5px;"
        "background:#f7f8fa;color:#1f5fa8;font-size:14px;text-decoration:none"
    )
    return f'<a class="button" href="{escape(address, quote=True)}" style="{style}">{_text(text)}</a>'


def _text(text: str) -> str:
    return escape(text).replace("\n", "<br>")
