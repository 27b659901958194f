"""How what people read is named."""

from django.utils.translation import gettext


def named(name: object, words: object) -> str:
    """Give a name and what it is or holds, with the colon of the language that is spoken."""
    # Translators: a name, and what it is or holds; the colon as the language writes it
    return gettext("{name}: {words}").format(name=name, words=words)
