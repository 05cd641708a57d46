"""The application: sections put together, every route with a scope."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI

from pitchey_slo.settings import Settings
from pitchey_slo.store import Store, utc_now
from pitchey_slo.web import (
    admin,
    alert_page,
    alertmanager,
    alerts,
    analytics_engine,
    anomalies,
    corrections,
    dashboards,
    decisions,
    docs,
    errors,
    events,
    health,
    metrics,
    otlp,
    overview,
    prometheus,
    realtime,
    remote_write,
    reports,
    runbooks,
    silences,
    slos,
    status,
    synthetic,
    tokens,
    watchdog,
    whatif,
)
from pitchey_slo.web.alerting import Alerting
from pitchey_slo.web.auth import api_routes, scope_of
from pitchey_slo.web.boards import Boards
from pitchey_slo.web.edge import Edge
from pitchey_slo.web.health_checks import HealthChecks
from pitchey_slo.web.house import House
from pitchey_slo.web.limits import Limits
from pitchey_slo.web.meter import Metered
from pitchey_slo.web.overhead import Overhead
from pitchey_slo.web.queries import QueryLimits
from pitchey_slo.web.schedules import Schedules
from pitchey_slo.web.series import Series
from pitchey_slo.web.slo_numbers import SloNumbers
from pitchey_slo.web.status_board import StatusBoard
from pitchey_slo.web.status_kv import Publisher
from pitchey_slo.web.synthetic_desk import Synthetic

SECTIONS = (
    *(events, metrics, prometheus, remote_write, otlp),
    *(slos, corrections, decisions, whatif, dashboards, realtime, anomalies),
    *(synthetic, overview, alert_page, runbooks, reports, alerts, silences, alertmanager, watchdog, health, status),
    *(analytics_engine, tokens, admin, docs),
)


def create_app(
    store: Store | None,
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    limits: Limits | None = None,
    query_limits: QueryLimits | None = None,
) -> FastAPI:
    """The API over `store`; None answers 503 until `app.state.house.store` is set.

    Raises ValueError when a route says nothing about who may call it.
    """
    app = FastAPI(
        title="pitchey-slo",
        description=docs.DESCRIPTION,
        openapi_url=None,  # our own routes serve the document and a page that needs no network
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.house = House(store, settings, clock, limits or Limits())
    app.state.series = Series(app.state.house, query_limits or QueryLimits())
    app.state.slos = SloNumbers(app.state.house)
    app.state.alerting = Alerting(app.state.house)
    app.state.schedules = Schedules(app.state.house, app.state.alerting)
    app.state.health = HealthChecks(app.state.house, app.state.series, app.state.alerting)
    app.state.boards = Boards(app.state.house, app.state.series, app.state.slos, app.state.alerting)
    app.state.whatifs = whatif.WhatIfs(app.state.house)
    app.state.anomalies = anomalies.Anomalies(app.state.house, app.state.series)
    app.state.synthetic = Synthetic(app.state.house)
    board = app.state.status = StatusBoard(app.state.house, app.state.synthetic)
    app.state.publisher = Publisher(settings, lambda: board.ready, app.state.series.meter)
    app.state.analytics_engine = analytics_engine.AnalyticsEngine(app.state.house, app.state.series.meter)
    app.state.overhead = Overhead(
        app.state.series, app.state.alerting, processes=lambda: processes(app), viewers=lambda: viewers(app)
    )
    errors.install(app)
    for section in SECTIONS:
        app.include_router(section.router)
    app.add_middleware(Edge)
    app.add_middleware(Metered)
    for route in api_routes(app):
        if scope_of(route) is None:
            raise ValueError(f"{route} says nothing about who may call it; give it **needs(scope)")
    return app


def processes(app: FastAPI) -> dict[str, int]:
    """This process and, if there is one, that of the dashboards."""
    screens = getattr(app.state, "screens", None)
    pid = screens.pid if screens is not None and screens.up else None
    return {"server": os.getpid(), **({} if pid is None else {"dashboards": pid})}


def viewers(app: FastAPI) -> int | None:
    """Open pages of dashboards; None without dashboards."""
    screens = getattr(app.state, "screens", None)
    return None if screens is None or not screens.up else screens.viewers()
