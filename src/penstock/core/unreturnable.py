"""What a framework's view cannot return, and says so itself.

Lives here: the refusal, wherever a framework that knows nothing of us looks for a response.
Stays out: frameworks, and what to return instead.
"""

from __future__ import annotations

from typing import ClassVar, NoReturn

__all__ = ("Unreturnable",)


class Unreturnable:
    """Not a response of any framework; the error says what is.

    Attributes:
        instead: What a view returns in its place.
    """

    __slots__ = ()

    instead: ClassVar[str]

    def __call__(self, *arguments: object, **keywords: object) -> NoReturn:
        """Refuse to be an app: Starlette and Flask call what a view has returned."""
        self.refuse()

    def __iter__(self) -> NoReturn:
        """Refuse to be data: FastAPI would make an answer of what it holds."""
        self.refuse()

    @property
    def streaming(self) -> NoReturn:
        """Refuse to be a response of Django's, which are all asked this."""
        self.refuse()

    def refuse(self) -> NoReturn:
        """Say what to return.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"a penstock {type(self).__name__} is no response of a framework's, nor a source; "
            f"from a view return {self.instead}"
        )
