"""Every name of Pitchey's environment block works; mistakes are named; secrets are not shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pitchey_slo.cli import build
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings, env_text

BLOCK = {
    "ENVIRONMENT": "production",
    "VERSION": "1.0.0",
    "API_BASE_URL": "https://pitchey-production.example.dev",
    "ANALYTICS_ENGINE": "pitchey_metrics",
    "KV_NAMESPACE": "pitchey-monitoring",
    "SLACK_WEBHOOK_URL": "https://hooks.example/services/SECRET1",
    "PAGERDUTY_INTEGRATION_KEY": "SECRET2",
    "ALERT_EMAIL_FROM": "alerts@example.com",
    "SMTP_HOST": "smtp.example.net:587",
    "SMTP_USERNAME": "apikey",
    "SMTP_PASSWORD": "SECRET3",
    "SENTRY_DSN": "https://SECRET4@sentry.example",
}


def value(settings: Settings, alias: str) -> str:
    name = next(n for n, f in Settings.model_fields.items() if f.alias == alias)
    found = getattr(settings, name)
    return str(found.get_secret_value() if hasattr(found, "get_secret_value") else found)


def test_the_environment_block_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in BLOCK.items():
        monkeypatch.setenv(name, text)
    settings = Settings.load(env_file=None)
    assert {name: value(settings, name) for name in BLOCK} == BLOCK


def test_the_environment_block_is_read_from_a_file_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("\n".join(f"{name}={text}" for name, text in BLOCK.items()))
    monkeypatch.setenv("VERSION", "2.0.0")
    settings = Settings.load(env_file=file)
    assert {name: value(settings, name) for name in BLOCK} == BLOCK | {"VERSION": "2.0.0"}


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in BLOCK.items():
        monkeypatch.setenv(name, text)
    settings = Settings.load(env_file=None)
    assert "SECRET" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_the_home_of_the_user_is_not_the_home_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.delenv("PITCHEY_HOME", raising=False)
    assert Settings.load(env_file=None).home == Path("data")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("PITCHEY_PORT", "eighty", "PITCHEY_PORT"),
        ("PITCHEY_PORT", "99999", "65535"),
        ("PITCHEY_RETENTION", '{"request": 3}', 'did you mean "requests"'),
        ("PITCHEY_RETENTION", '{"requests": -3}', "0 keeps for ever"),
        ("PITCHEY_RETENTION", "{", "PITCHEY_RETENTION: not JSON"),
        ("PITCHEY_LOG_LEVEL", "loud", "debug, info, warning or error"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_work(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, says: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError, match=says):
        Settings.load(env_file=None)


def test_the_written_env_file_names_every_setting_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(env_text())
    for field in Settings.model_fields.values():
        assert f"# {field.alias}=" in env_text()
        assert field.description
    assert Settings.load(env_file=file) == Settings.load(env_file=None)
    switched_on = "\n".join(
        line.removeprefix("# ")
        if "=" in line and line.split("=")[0].removeprefix("# ").isupper() and line[-1] != "="
        else line
        for line in env_text().splitlines()
    )
    file.write_text(switched_on)
    assert Settings.load(env_file=file) == Settings.load(env_file=None)


def test_init_writes_once_and_never_overwrites(tmp_path: Path) -> None:
    run = CliRunner().invoke(build(["init"]), ["init", "--dir", str(tmp_path)])
    assert run.exit_code == 0, run.output
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert list((tmp_path / "config" / "slos").glob("*.yaml"))
    (tmp_path / ".env").write_text("VERSION=mine\n")
    again = CliRunner().invoke(build(["init"]), ["init", "--dir", str(tmp_path)])
    assert "kept" in again.output
    assert (tmp_path / ".env").read_text() == "VERSION=mine\n"


def test_a_notebook_finds_the_store_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "lake").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / ".env").write_text("VERSION=of the project\n")
    monkeypatch.chdir(tmp_path / "notebooks")
    for name in ("PITCHEY_HOME", "PITCHEY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings.load()
    assert (settings.home, settings.config) == (tmp_path / "data", tmp_path / "config")
    assert settings.version == "of the project"
    assert Settings.load(home=Path("mine")).home == Path("mine")
    monkeypatch.setenv("PITCHEY_HOME", "/somewhere")
    assert Settings.load().home == Path("/somewhere")


def test_credentials_for_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITCHEY_LAKE", "s3://bucket/lake")
    monkeypatch.setenv("PITCHEY_S3_ENDPOINT", "http://127.0.0.1:5000")
    monkeypatch.setenv("PITCHEY_S3_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("PITCHEY_S3_SECRET_ACCESS_KEY", "secret")
    options = Settings.load(env_file=None).storage_options
    assert options["AWS_ALLOW_HTTP"] == "true"
    assert options["AWS_SECRET_ACCESS_KEY"] == "secret"
