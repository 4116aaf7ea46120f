"""Who may come in: clinicians and administrators, and the programs that call us."""

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
    """People who log in to the pages."""


@users.command("add")
@click.argument("login")
@click.option("--name", required=True, help="As it stands under a letter.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--registration", help="The registration number a letter names; a clinician needs one.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input; else one is made."
)
def add_user(login: str, name: str, role: str, registration: str | None, password_stdin: bool) -> None:
    """Add a person and print the password, once."""
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
    """List who may log in."""
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
    """Shut a person out; open sessions end with it."""
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
    """Programs that call us: the programme's platform, EHRs that read, practices that refer."""


@clients.command("add")
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice([kind.value for kind in ClientKind]))
@click.option("--source", help="A platform's source: a file of mappings/sources.")
@click.option(
    "--organization", help="A practice's identifier, SYSTEM|VALUE: letters addressed to it are its own."
)
def add_client(name: str, kind: str, source: str | None, organization: str | None) -> None:
    """Add a client and print its bearer token, once."""
    runtime = start_runtime()
    if kind == ClientKind.PLATFORM and SourceId(source or "") not in runtime.sources:
        raise click.UsageError(f"--source must be one of {', '.join(runtime.sources)}")
    system, bar, value = (organization or "").rpartition("|")
    if organization and not (bar and system and value):
        raise click.UsageError("--organization is not SYSTEM|VALUE")
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
    """List the programs that may call."""
    runtime = start_runtime()
    with runtime.store.begin_without_publishing() as uow:
        _audit(uow, "clients list", "read", "shown")
        for client in uow.clients.list_all():
            click.echo(f"{client.name}\t{client.kind.value}\t{'disabled' if client.disabled else 'may call'}")


@clients.command("disable")
@click.argument("name")
def disable_client(name: str) -> None:
    """Shut a program out at once."""
    runtime = start_runtime()
    with runtime.store.begin_without_publishing() as uow:
        client = uow.clients.find_by_name(name)
        if client is None:
            raise click.UsageError("no such client")
        uow.clients.set_disabled(client.id, True)
        _audit(uow, "clients disable", "update", "disabled", f"client/{client.id}")
    click.echo(f"{name} may not call any more.")


def _audit(uow: UnitOfWork, route: str, action: str, outcome: str, *about: str) -> None:
    """Who may come in was asked or changed: committed with it. Logins and names stay out; the ids tell them."""
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
