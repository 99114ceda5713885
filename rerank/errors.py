"""The exception tree of the lowest floor; `plugin.errors` and `ingest.errors` grow from the same root.

PolyrankError
├── BundleError        a model bundle is missing, altered or of another task
├── ModelInputError    a text or request that no model can take
├── MissingExtraError  an optional dependency is not installed
├── ResourceError      a glossary, dictionary or vocabulary file cannot be read
└── TranslationError   a translation engine cannot be reached or does not answer as it should
"""


class PolyrankError(Exception):
    """An error the user can act on: one sentence that says what, where and what to do."""

    exit_code = 1


class BundleError(PolyrankError):
    """A model bundle is missing, altered, unreadable or made for another task."""


class ModelInputError(PolyrankError):
    """A text, pair or request that no model can take."""


class MissingExtraError(PolyrankError):
    """An optional dependency is needed and not installed; the message holds the pip line."""


class ResourceError(PolyrankError):
    """A glossary, dictionary or vocabulary file cannot be read."""


class TranslationError(PolyrankError):
    """A translation engine cannot be reached, refuses, or answers with something else than translations."""
