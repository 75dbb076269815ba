"""The errors of describing and provisioning the stack.

    InfraError               exit code 4: the stack cannot be had
    ├── TemplateError        the template says something that is wrong or not understood; names the resource
    └── ProvisionError       a resource cannot be made as the template says; names the resource

A message is one line: what, where, and what to do next.
"""

from typing import ClassVar


class InfraError(Exception):
    """Anything that keeps the stack from being provisioned."""

    exit_code: ClassVar[int] = 4


class TemplateError(InfraError):
    """The template is wrong, or holds what the reader does not know."""


class ProvisionError(InfraError):
    """A resource cannot be made as the template says."""
