"""What a channel is given to hand over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One message in the words of one recipient.

    `text` reads well on a phone; `html` is the same for mail; `data` is for programs (JSON), with
    an `id` that is the same whenever the same message is sent again. `is_problem` tells channels
    that know urgency whether something bad is new.
    """

    subject: str
    text: str
    html: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    is_problem: bool = False
