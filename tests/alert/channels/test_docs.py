"""docs/channels.md names every channel and every state."""

from __future__ import annotations

from pathlib import Path

from pitchey_slo.alert.channels import CHANNELS

TEXT = (Path(__file__).parents[3] / "docs" / "channels.md").read_text(encoding="utf-8")


def test_every_channel_has_its_heading() -> None:
    for kind, channel in CHANNELS.items():
        assert f"\n## {kind}\n" in TEXT
        part = TEXT.split(f"\n## {kind}\n")[1].split("\n## ")[0]
        for key in channel.templated:
            assert f"`{key}`" in part or key in ("message", "subject"), f"{kind}: {key}"


def test_every_state_is_explained() -> None:
    for state in ("waiting", "sent", "merged", "dropped", "dead"):
        assert f"| `{state}` |" in TEXT


def test_the_settings_of_all_channels_are_explained() -> None:
    from pitchey_slo.alert.receiver_keys import ANYWHERE

    for key in ANYWHERE:
        assert f"| `{key}` |" in TEXT
