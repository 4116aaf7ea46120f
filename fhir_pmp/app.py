"""Builds the Flask app from the settings and serves it with granian."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import Server
from werkzeug.middleware.proxy_fix import ProxyFix

from fhir_pmp.ehr.sign_in import public_keys
from fhir_pmp.letters.context import LetterContext
from fhir_pmp.logs import start_logging
from fhir_pmp.runtime import build_runtime
from fhir_pmp.settings import Settings
from fhir_pmp.store.audit_writer import AuditWriter
from fhir_pmp.web.access.access_control import install_access
from fhir_pmp.web.access.policy import MAX_BODY_BYTES
from fhir_pmp.web.context import WebContext, set_web_context
from fhir_pmp.web.error_responses import install_errors
from fhir_pmp.web.fhir_api.routes import install_fhir_api
from fhir_pmp.web.hooks.receive_webhook import hooks
from fhir_pmp.web.jwks import jwks
from fhir_pmp.web.monitoring.routes import install_monitoring
from fhir_pmp.web.pages.error_pages import render_error_page
from fhir_pmp.web.pages.routes import install_pages
from fhir_pmp.web.programme_api.routes import install_programme_api

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MAX_FORM_PARTS = 500
SHUTDOWN_SECONDS = 30
"""Seconds after SIGTERM until running requests are aborted."""


def utc_now() -> datetime:
    """The clock of the process."""
    return datetime.now(UTC)


def build_web_context(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> WebContext:
    """Builds the web context from the settings, checks the database and publishes the definitions.

    Raises MappingFaults, SettingsWrong, NotDurable, NotMigrated, WrongIdSecret, StoreBusy.
    """
    runtime = build_runtime(settings, clock())
    return WebContext(
        store=runtime.store,
        clinic=runtime.clinic,
        sources=runtime.sources,
        publisher=runtime.publisher,
        letter_context=LetterContext.open(runtime.mappings / "letters", runtime.clinic, runtime.publisher),
        audit=AuditWriter(runtime.store),
        clock=clock,
        public_url=settings.public_url,
        secret_key=settings.secret_key,
        idle_minutes=settings.idle_minutes,
        proxy_hops=settings.proxy_hops,
        hook_secrets=settings.hook_secrets,
        jwks=public_keys(key for keys in runtime.signing_keys.values() for key in keys),
        destinations=tuple(runtime.destinations),
    )


def create_app(web_context: WebContext) -> Flask:
    """Builds the app: access control first, then the APIs and pages, the error handlers last."""
    app = Flask("fhir_pmp.web", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
        TRUSTED_HOSTS=list(_trusted_hosts(web_context.public_url)),
        PROVIDE_AUTOMATIC_OPTIONS=False,  # a route answers the methods it has a policy for
    )
    app.url_map.strict_slashes = False
    set_web_context(app, web_context)
    install_access(app)
    install_monitoring(app)
    app.register_blueprint(jwks)
    install_fhir_api(app)
    install_programme_api(app)
    app.register_blueprint(hooks)
    install_pages(app)
    install_errors(app, render_error_page)
    if web_context.proxy_hops:
        # Exactly the number of proxies in front: with one more, a caller could forge its address.
        hops = web_context.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def application() -> Flask:
    """Builds the app from the environment, once in each server worker.

    Workers must not share database connections.
    """
    settings = Settings.from_environment()
    start_logging(settings.log_level)
    return create_app(build_web_context(settings))


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; requests that run then are finished first.

    Checks first what would stop the worker from starting. Raises as `build_runtime` does.
    """
    build_runtime(settings, utc_now()).store.close()
    host, port = settings.listen
    # granian warns about more threads than cores; these mostly wait for the database and the audit's commit.
    logging.getLogger("_granian").addFilter(lambda record: "seems quite high" not in record.getMessage())
    Server(
        "fhir_pmp.app:application",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=1,  # several processes would compete for SQLite's write lock, and some would wait too long
        blocking_threads=settings.threads,
        websockets=False,
        log_level=LogLevels(settings.log_level),
        workers_kill_timeout=SHUTDOWN_SECONDS,
    ).serve()


def _trusted_hosts(public_url: str) -> tuple[str, ...]:
    host = urlsplit(public_url).hostname or ""
    return LOOPBACK if host in LOOPBACK else (host,)
