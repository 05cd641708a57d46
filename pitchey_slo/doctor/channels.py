"""Who would be told, and whether the channels work: their settings, their last receipts, and a message when asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pitchey_slo.alert.channels import Channel, House, channels_of, templates_in
from pitchey_slo.alert.config import RoutesConfig, load_routes
from pitchey_slo.alert.model import SEVERITIES, Message, Notification
from pitchey_slo.alert.words import length, moment
from pitchey_slo.doctor.model import Finding, Patient
from pitchey_slo.errors import ChannelError, ConfigError, PitcheyError
from pitchey_slo.store.reader import LakeReader

#: Kinds that tell nobody by themselves.
SILENT: Final = ("console",)
#: Seconds one test message may take.
SENDING: Final = 8.0


def look(patient: Patient) -> Iterator[Finding]:
    """The routes file, its receivers, what became of the last messages."""
    file = patient.settings.routes_file
    if not file.exists():
        text = f"There is no routes file {file}: nobody is ever told of an alert."
        yield Finding("channels", "failure", text, "pitchey-slo init writes config/routes/routes.yml")
        return
    try:
        config = load_routes(file, settings=patient.settings)
        house = House(patient.settings.public_url, patient.clock, templates_in(config.templates))
        channels = channels_of(config.receivers.values(), house)
    except ConfigError as error:
        text = f"Refused: {error.message}"
        yield Finding("channels", "failure", text, f"mend that line of {file}; docs/routing.md has every key")
        return
    for notice in config.notices:
        yield Finding("channels", "warning", notice, "put the secret into .env and start the server again")
    yield from _reached(config)
    yield from _receipts(patient)
    if patient.send:
        yield from _sent(channels, patient)
    else:
        count = sum(map(len, channels.values()))
        text = f"{count} channels can be used; none of them was sent anything now."
        yield Finding("channels", "ok", text, "pitchey-slo doctor --send    # one test message to each")


def _reached(config: RoutesConfig) -> Iterator[Finding]:
    """Whether an alert of each severity reaches a person."""
    for severity in SEVERITIES:
        routes = config.route.match({"alertname": "Test", "severity": severity})
        receivers = [config.receivers[route.receiver] for route in routes]
        ways = [
            f"{r.name} by {c.kind}"
            for r in receivers
            for c in r.channels
            if config.permitted(c.kind, severity) and c.kind not in SILENT
        ]
        if ways:
            yield Finding("channels", "ok", f"severity {severity} goes to {', '.join(dict.fromkeys(ways))}.")
            continue
        names = ", ".join(dict.fromkeys(r.name for r in receivers)) or "no receiver"
        text = f"severity {severity} goes to {names} and reaches nobody but the server's log."
        cure = "SLACK_WEBHOOK_URL, PAGERDUTY_INTEGRATION_KEY or SMTP_HOST in .env; pitchey-slo alerts test "
        yield Finding(
            "channels", "failure" if severity == "critical" else "warning", text, f"{cure}severity={severity}"
        )


def _receipts(patient: Patient) -> Iterator[Finding]:
    """What the last real message through each channel came to."""
    settings = patient.settings
    if not settings.lake_uri.startswith("s3://") and not Path(settings.lake_uri).is_dir():
        return
    try:
        reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
        rows = reader.query(
            "SELECT receiver, channel, max(sent_at) AS sent, count(*) FILTER (state = 'dead') AS dead, "
            "count(*) FILTER (state = 'waiting' AND due_at < ?) AS waiting, "
            "arg_max(answer, updated_at) FILTER (state <> 'sent') AS trouble "
            "FROM notifications WHERE created_at > ? - INTERVAL 7 DAY GROUP BY ALL ORDER BY ALL LIMIT 50",
            [patient.clock(), patient.clock()],
        ).to_pylist()
    except PitcheyError as error:
        yield Finding("channels", "not applicable", f"The last messages cannot be read: {error.message}")
        return
    for row in rows:
        name = f"{row['receiver']} {row['channel']}"
        why = f" Its answer: {row['trouble']}" if row["trouble"] else ""
        if row["dead"]:
            text = f"{name} refused {row['dead']} messages of the last week for good.{why}"
            yield Finding("channels", "failure", text, "is its secret or address right? pitchey-slo doctor --send")
        elif row["waiting"]:
            text = f"{row['waiting']} messages wait for {name}.{why}"
            cure = "the server tries again by itself" if patient.server else "they go out when a server runs"
            yield Finding("channels", "warning", text, cure)
        elif row["sent"] is not None:
            ago = length(max((patient.clock() - row["sent"]).total_seconds(), 0.0))
            yield Finding("channels", "ok", f"{name} took its last message {ago} ago ({moment(row['sent'])}).")


def _sent(channels: Mapping[str, Mapping[str, Channel]], patient: Patient) -> Iterator[Finding]:
    """One message by every channel, all at once."""
    ways = [(receiver, name, channel) for receiver, own in channels.items() for name, channel in own.items()]
    if not ways:
        yield Finding("channels", "failure", "There is no channel to send a test message by.", "see the lines above")
        return
    pool = ThreadPoolExecutor(len(ways), thread_name_prefix="doctor-send")
    try:
        waiting = [(r, n, pool.submit(_send, r, n, c, patient)) for r, n, c in ways]
        for receiver, name, future in waiting:
            try:
                yield future.result(SENDING + 1)
            except TimeoutError:
                text = f"{receiver} {name} did not answer within {SENDING:g} s."
                yield Finding("channels", "failure", text, "is its service reachable from this machine?")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _send(receiver: str, name: str, channel: Channel, patient: Patient) -> Finding:
    channel.deadline = min(channel.deadline, SENDING)
    try:
        answer = channel.send(_test_message(receiver, name, patient))
    except ChannelError as error:
        cure = "its secret or address is wrong: .env and config/routes" if error.permanent else "try again in a minute"
        return Finding("channels", "failure", f"{receiver} {name} did not take the test message: {error.message}", cure)
    return Finding("channels", "ok", f"{receiver} {name} took the test message: {answer.text or 'accepted'}")


def _test_message(receiver: str, name: str, patient: Patient) -> Notification:
    now = patient.clock()
    lines = ("This is a test by `pitchey-slo doctor --send`. Nothing is wrong, nothing needs to be done.",)
    message = Message("test", receiver, "[TEST] pitchey-slo doctor", lines=lines, severity="info")
    id = uuid.uuid4().hex  # noqa: A001  # the column's name
    return Notification(id, f"doctor-{id}", "doctor", receiver, name, message, now, now, now, now)
