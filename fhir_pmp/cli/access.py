"""Commands that manage access: users of the pages, and clients of the APIs."""

import secrets
import sys
import uuid

import click

from fhir_pmp.cli.startup import now, start_runtime
from fhir_pmp.identifiers import ClientId, Identifier, SourceId
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.access.accounts import Role
from fhir_pmp.store.access.audit import AuditRow
from fhir_pmp.store.access.clients import ClientKind
from fhir_pmp.web.access.passwords import MIN_PASSWORD_LENGTH, hash_password
from fhir_pmp.web.access.tokens import new_token, token_hash


@click.group()
def users() -> None:
    """Manage the people who log in to the pages."""


@users.command("add")
@click.argument("login")
@click.option("--name", required=True, help="The name as letters print it.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--registration", help="The registration number that letters print; a clinician needs one.")
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; otherwise one is generated.",
)
def add_user(login: str, name: str, role: str, registration: str | None, password_stdin: bool) -> None:
    """Add a user; a generated password is printed once."""
    if role == Role.CLINICIAN and not registration:
        raise click.UsageError("--registration is missing: a clinician signs letters with it")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else secrets.token_urlsafe(12)
    try:
        hashed = hash_password(password)
    except ValueError:
        raise click.UsageError(f"a password has at least {MIN_PASSWORD_LENGTH} characters") from None
    runtime = start_runtime()
    with runtime.store.begin_without_publishing() as uow:
        account = uow.accounts.add(
            f"account-{uuid.uuid4().hex}",
            login=login,
            name=name,
            role=Role(role),
            registration=registration,
            password_hash=hashed,
            now=now(),
        )
        _audit(uow, "users add", "create", role, f"account/{account.id}")
    click.echo(f"{account.login} may log in as {role}.")
    if not password_stdin:
        click.echo(f"password: {password}")


@users.command("list")
def list_users() -> None:
    """List all users."""
    runtime = start_runtime()
    with runtime.store.begin_without_publishing() as uow:
        _audit(uow, "users list", "read", "shown")
        for account in uow.accounts.list_all():
            click.echo(
                f"{account.login}\t{account.role.value}\t{'disabled' if account.disabled else 'may log in'}"
            )


@users.command("disable")
@click.argument("login")
def disable_user(login: str) -> None:
    """Disable a user and end their open sessions."""
    runtime = start_runtime()
    with runtime.store.begin_without_publishing() as uow:
        account = uow.accounts.find_by_login(login)
        if account is None:
            raise click.UsageError("no such login")
        uow.accounts.set_disabled(account.id, True)
        _audit(uow, "users disable", "update", "disabled", f"account/{account.id}")
    click.echo(f"{login} may not log in any more.")


@click.group()
def clients() -> None:
    """Manage the systems that call the APIs: the platform, EHRs, practices and monitoring."""


@clients.command("add")
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice([kind.value for kind in ClientKind]))
@click.option("--source", help="The source of a platform: the name of a file in mappings/sources.")
@click.option(
    "--organization",
    help="The identifier of a practice, SYSTEM|VALUE; it may read the letters addressed to it.",
)
def add_client(name: str, kind: str, source: str | None, organization: str | None) -> None:
    """Add a client and print its bearer token once."""
    runtime = start_runtime()
    if kind == ClientKind.PLATFORM and SourceId(source or "") not in runtime.sources:
        raise click.UsageError(f"--source must be one of {', '.join(runtime.sources)}")
    system, bar, value = (organization or "").rpartition("|")
    if organization and not (bar and system and value):
        raise click.UsageError("--organization must be written SYSTEM|VALUE")
    token = new_token()
    client = ClientId(f"client-{uuid.uuid4().hex}")
    with runtime.store.begin_without_publishing() as uow:
        uow.clients.add(
            client,
            name=name,
            kind=ClientKind(kind),
            token_hash=token_hash(token),
            organization=Identifier(system, value) if organization else None,
            source=SourceId(source) if source else None,
            now=now(),
        )
        _audit(uow, "clients add", "create", kind, f"client/{client}")
    click.echo(f"{name} may call as {kind}.")
    click.echo(f"token: {token}")


@clients.command("list")
def list_clients() -> None:
    """List all clients."""
    runtime = start_runtime()
    with runtime.store.begin_without_publishing() as uow:
        _audit(uow, "clients list", "read", "shown")
        for client in uow.clients.list_all():
            click.echo(f"{client.name}\t{client.kind.value}\t{'disabled' if client.disabled else 'may call'}")


@clients.command("disable")
@click.argument("name")
def disable_client(name: str) -> None:
    """Disable a client at once."""
    runtime = start_runtime()
    with runtime.store.begin_without_publishing() as uow:
        client = uow.clients.find_by_name(name)
        if client is None:
            raise click.UsageError("no such client")
        uow.clients.set_disabled(client.id, True)
        _audit(uow, "clients disable", "update", "disabled", f"client/{client.id}")
    click.echo(f"{name} may not call any more.")


def _audit(uow: UnitOfWork, route: str, action: str, outcome: str, *about: str) -> None:
    """Adds the audit row of a command to its unit of work; it names accounts and clients by id only."""
    row = AuditRow(
        at=now(),
        who=f"command:{route.partition(' ')[0]}",
        route=route,
        action=action,
        outcome=outcome,
        request_id=uuid.uuid4().hex,
        resources=about,
    )
    uow.audit.append([row])
