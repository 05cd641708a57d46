"""All settings: one entry per name, read from the environment and from `.env` (the environment wins).

The first block is the environment block of Pitchey's own monitoring set-up, under the same names. The second is ours;
each name starts with PITCHEY_. Secrets are `SecretStr`: printing or logging the settings shows `**********`.
`pitchey-slo init` writes a commented `.env` from these entries, so the help text below is what people read there.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.tables import STORED

MiB = 1 << 20


class Settings(BaseSettings):
    """Every setting with its default. `Settings.load()` is how the rest of the house gets one."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", hide_input_in_errors=True)

    # Pitchey's environment block
    environment: str = Field("development", alias="ENVIRONMENT", description="production, staging or development")
    version: str = Field("0.0.0", alias="VERSION", description="version of Pitchey that is being watched")
    api_base_url: str = Field(
        "http://localhost:8787", alias="API_BASE_URL", description="where Pitchey's API answers; probes start here"
    )
    analytics_engine: str = Field(
        "pitchey_metrics", alias="ANALYTICS_ENGINE", description="Cloudflare Analytics Engine dataset to pull from"
    )
    kv_namespace: str = Field(
        "pitchey-monitoring", alias="KV_NAMESPACE", description="Workers KV namespace that the Worker module uses"
    )
    cloudflare_account_id: str | None = Field(
        None,
        alias="CLOUDFLARE_ACCOUNT_ID",
        description="Cloudflare account: of the KV namespace for the status page, and of Analytics Engine",
    )
    cloudflare_api_token: SecretStr | None = Field(
        None,
        alias="CLOUDFLARE_API_TOKEN",
        description="API token with Workers KV Storage: Edit (status page) and Account Analytics: Read (pulling)",
    )
    cloudflare_api_url: str = Field(
        "https://api.cloudflare.com/client/v4", alias="CLOUDFLARE_API_URL", description="where Cloudflare's API answers"
    )
    slack_webhook_url: SecretStr | None = Field(
        None, alias="SLACK_WEBHOOK_URL", description="Slack incoming webhook for alerts and reports"
    )
    pagerduty_integration_key: SecretStr | None = Field(
        None, alias="PAGERDUTY_INTEGRATION_KEY", description="PagerDuty Events v2 integration key (32 characters)"
    )
    alert_email_from: str | None = Field(None, alias="ALERT_EMAIL_FROM", description="sender of alert and report mails")
    alert_email_to: str | None = Field(
        None, alias="ALERT_EMAIL_TO", description="who gets alert mails, comma-separated; the sender when unset"
    )
    smtp_host: str | None = Field(None, alias="SMTP_HOST", description="mail server as host:port")
    smtp_username: str | None = Field(None, alias="SMTP_USERNAME", description="user name at the mail server")
    smtp_password: SecretStr | None = Field(None, alias="SMTP_PASSWORD", description="password at the mail server")
    sentry_dsn: SecretStr | None = Field(
        None, alias="SENTRY_DSN", description="where this workbench reports its own crashes"
    )

    # ours
    home: Path = Field(Path("data"), alias="PITCHEY_HOME", description="folder of the store: hot file, lake, lock")
    config: Path = Field(Path("config"), alias="PITCHEY_CONFIG", description="folder with slos/, rules/, routes/, ...")
    routes: Path | None = Field(
        None,
        alias="PITCHEY_ROUTES",
        description="file that says who is told of alerts; PITCHEY_CONFIG/routes/routes.yml when unset",
    )
    reports: Path = Field(Path("reports"), alias="PITCHEY_REPORTS", description="folder of report runs and their index")
    lake: str | None = Field(
        None, alias="PITCHEY_LAKE", description="folder or s3://bucket/prefix of the lake; PITCHEY_HOME/lake when unset"
    )
    s3_endpoint: str | None = Field(
        None, alias="PITCHEY_S3_ENDPOINT", description="endpoint of an S3-compatible store such as R2"
    )
    s3_region: str = Field("auto", alias="PITCHEY_S3_REGION", description="region of the bucket; R2 wants auto")
    s3_access_key_id: SecretStr | None = Field(
        None, alias="PITCHEY_S3_ACCESS_KEY_ID", description="access key of the bucket"
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, alias="PITCHEY_S3_SECRET_ACCESS_KEY", description="secret key of the bucket"
    )
    host: str = Field("127.0.0.1", alias="PITCHEY_HOST", description="address the API listens on")
    port: int = Field(8001, alias="PITCHEY_PORT", ge=0, le=65535, description="port of the API; 0 takes a free one")
    dashboards: Literal["on", "off"] = Field(
        "on", alias="PITCHEY_DASHBOARDS", description="whether `serve` also runs the dashboards: on or off"
    )
    dashboards_port: int = Field(
        8002,
        alias="PITCHEY_DASHBOARDS_PORT",
        ge=0,
        le=65535,
        description="port of the dashboards; 0 takes a free one",
    )
    dashboards_url: str | None = Field(
        None,
        alias="PITCHEY_DASHBOARDS_URL",
        description="address people reach the dashboards at when a proxy stands before them; its own by default",
    )
    dashboards_anonymous: Literal["none", "public", "viewer", "operator"] = Field(
        "public",
        alias="PITCHEY_DASHBOARDS_ANONYMOUS",
        description="what somebody may do on the dashboards who has not signed in: none, public, viewer or operator",
    )
    location: str = Field(
        "local",
        alias="PITCHEY_LOCATION",
        description="what the place is called that this server runs synthetic tests from; empty runs none here",
    )
    quorum: float = Field(
        0.5,
        alias="PITCHEY_QUORUM",
        gt=0,
        le=1,
        description="share of the locations that count which must fail before a synthetic test is down",
    )
    investigate: str = Field(
        "critical",
        alias="PITCHEY_INVESTIGATE",
        description="severities whose alerts are investigated by a notebook when they fire, comma-separated",
    )
    schedules: Literal["on", "off"] = Field(
        "on",
        alias="PITCHEY_SCHEDULES",
        description="whether `serve` runs the reports of config/schedules.yml by itself; off for systemd timers",
    )
    url: str | None = Field(
        None,
        alias="PITCHEY_URL",
        description="address people reach this server at, for links in messages; its own by default",
    )
    memory_limit: str = Field("2GB", alias="PITCHEY_MEMORY_LIMIT", description="memory DuckDB may use in one process")
    body_limit: int = Field(
        64 * MiB, alias="PITCHEY_BODY_LIMIT", gt=0, description="bytes one delivery may have after decompression"
    )
    queue_limit: int = Field(
        512 * MiB, alias="PITCHEY_QUEUE_LIMIT", gt=0, description="bytes that may wait to be written before 503"
    )
    rate_limit: int = Field(
        0, alias="PITCHEY_RATE_LIMIT", ge=0, description="rows per second one token may send; 0 for no limit"
    )
    series_limit: int = Field(
        100_000, alias="PITCHEY_SERIES_LIMIT", gt=0, description="time series taken; new ones beyond it are refused"
    )
    label_limit: int = Field(40, alias="PITCHEY_LABEL_LIMIT", gt=0, description="labels one time series may have")
    out_of_order_seconds: int = Field(
        3_600, alias="PITCHEY_OUT_OF_ORDER_SECONDS", ge=0, description="how late a sample may be within its series"
    )
    flush_seconds: float = Field(
        10.0, alias="PITCHEY_FLUSH_SECONDS", gt=0, le=600, description="how often new rows go from hot to lake"
    )
    hot_days: int = Field(
        3, alias="PITCHEY_HOT_DAYS", ge=1, description="days the hot file keeps what the lake has too"
    )
    retention: dict[str, int] = Field(
        default_factory=dict,
        alias="PITCHEY_RETENTION",
        description='days to keep per table, as JSON: {"requests": 90}; 0 keeps for ever',
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="PITCHEY_LOG_LEVEL", description="debug, info, warning or error"
    )

    @field_validator("retention")
    @classmethod
    def _known_tables(cls, value: dict[str, int]) -> dict[str, int]:
        for table, days in value.items():
            if table not in STORED:
                raise ValueError(f"no table {table!r}; {did_you_mean(table, STORED) or 'tables: ' + ', '.join(STORED)}")
            if days < 0:
                raise ValueError(f"{table}: {days} days; 0 keeps for ever, a positive number keeps that many days")
        return value

    @property
    def lake_uri(self) -> str:
        """Where the lake is, as deltalake takes it: a path or s3://..."""
        return self.lake or str(self.home / "lake")

    @property
    def routes_file(self) -> Path:
        """Where the routes file is, if there is one."""
        return self.routes or self.config / "routes" / "routes.yml"

    @property
    def public_url(self) -> str:
        """Where links in messages begin, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        own = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        return (self.url or own).rstrip("/")

    @property
    def storage_options(self) -> dict[str, str]:
        """Credentials and endpoint for a lake on S3 or R2; empty for a local folder."""
        if not self.lake_uri.startswith("s3://"):
            return {}
        options = {"AWS_REGION": self.s3_region}
        if self.s3_endpoint:
            options |= {"AWS_ENDPOINT_URL": self.s3_endpoint}
            if self.s3_endpoint.startswith("http://"):
                options |= {"AWS_ALLOW_HTTP": "true"}
        if self.s3_access_key_id and self.s3_secret_access_key:
            options |= {
                "AWS_ACCESS_KEY_ID": self.s3_access_key_id.get_secret_value(),
                "AWS_SECRET_ACCESS_KEY": self.s3_secret_access_key.get_secret_value(),
            }
        return options

    def keep_days(self, table: str) -> int:
        """Days rows of `table` are kept after they happened or arrived, whichever is later; 0 is for ever."""
        return self.retention.get(table, STORED[table].keep_days)

    @classmethod
    def load(cls, env_file: str | Path | None = ".env", **given: Any) -> Settings:
        """Read the environment and `env_file`; `given` (by field name) wins over both; None is not given.

        `.env` and relative folders are those of the project folder (`project_folder()`), so that a notebook finds them
        from `notebooks/`; folders that are `given` are relative to where one stands.

        Raises ConfigError that names the setting, what was wrong and what would work; never shows a secret's value.
        """
        given = {name: value for name, value in given.items() if value is not None}
        root = project_folder(Path.cwd())
        env_file = root / env_file if env_file else None
        by_alias = {cls.model_fields[name].alias or name: value for name, value in given.items()}
        try:
            settings = cls(_env_file=env_file, **by_alias)  # type: ignore[call-arg]  # pydantic-settings adds _env_file
        except SettingsError as error:
            name = next((n for n in cls.model_fields if f'"{n}"' in str(error)), "")
            raise ConfigError(
                "not JSON",
                file="environment" if "EnvSettings" in str(error) else env_file,
                key=cls.model_fields[name].alias if name else None,
                hint=cls.model_fields[name].description if name else None,
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            key = str(first["loc"][0]) if first["loc"] else None
            field = next((f for n, f in cls.model_fields.items() if key in (n, f.alias)), None)
            raise ConfigError(
                first["msg"].removeprefix("Value error, "),
                file=env_file if env_file and Path(env_file).exists() else "environment",
                key=field.alias if field else key,
                hint=field.description if field else None,
            ) from None
        names = ("home", "config", "reports", "routes")
        found = {name: path for name in names if name not in given and (path := getattr(settings, name)) is not None}
        moved = {name: root / path for name, path in found.items() if root != Path.cwd() and not path.is_absolute()}
        return settings.model_copy(update=moved)


def project_folder(start: Path) -> Path:
    """`start` or the nearest folder above it that holds a store (`data/lake`) or SLO files (`config/slos`); `start`
    itself when there is none."""
    for folder in (start, *start.parents):
        if (folder / "data" / "lake").is_dir() or (folder / "config" / "slos").is_dir():
            return folder
    return start


@functools.cache
def shipped(folder: str) -> Path:
    """Folder with files that come with the package: "config" or "notebooks" (beside the code in a checkout)."""
    inside = Path(__file__).parent / "_shipped" / folder
    return inside if inside.exists() else Path(__file__).parent.parent / folder


def env_text() -> str:
    """A commented `.env` with every setting at its default, made from the entries above."""
    lines = [
        "# Settings of pitchey-slo. The environment wins over this file; a line with # keeps the default.",
        "# This file may hold secrets: keep it out of version control.",
        "",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default is None else "{}" if default == {} else str(default)
        lines += [f"# {field.description}", f"# {field.alias or name}={shown}", ""]
    return "\n".join(lines)
