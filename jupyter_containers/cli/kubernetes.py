"""`kubernetes rbac`: the rights that a server needs in its namespace, for `kubectl apply -f -`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from ..engines.kubernetes.rbac import manifest_text
from ..policy.kubernetes import DNS_LABEL, DNS_SUBDOMAIN
from .options import administered
from .terminal import show


def kubernetes_arguments(parser: ArgumentParser) -> None:
    """Options of `kubernetes`."""
    parser.add_argument("what", choices=["rbac"], help="print the Role and who has it")
    parser.add_argument(
        "--namespace",
        default="",
        type=_namespace,
        metavar="N",
        help="where kernels run; else Policy.kubernetes_namespace, or `default`",
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--service-account",
        default="default",
        type=_account,
        metavar="A",
        help="as which servers run there; else `default`",
    )
    who.add_argument("--user", default="", metavar="U", help="a user of the cluster instead")


async def kubernetes(args: Namespace) -> int:
    """Print it. Asks no cluster."""
    namespace = args.namespace or administered().kubernetes_namespace or "default"
    subject = args.user or args.service_account
    show(manifest_text(namespace, subject, service_account=not args.user).rstrip())
    return 0


def _namespace(text: str) -> str:
    if not DNS_LABEL.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no namespace")
    return text


def _account(text: str) -> str:
    if not DNS_SUBDOMAIN.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no service account")
    return text
