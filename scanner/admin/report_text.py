"""A report as the agent sent it, read from the deposit tree while somebody looks at it."""

import codecs
import json
import logging
from dataclasses import dataclass

from django.utils.translation import gettext as _

from scanner import conf
from scanner.errors import DepositError, FileAbsent
from scanner.models import AgentReport
from scanner.pipeline.received import received
from scanner.pipeline.text import escaped

SHOWN = 256 * 1024
"""So many bytes of a report are shown."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """The text as it came, `is_cut` where only its beginning is shown; else why there is none."""

    text: str = ""
    is_cut: bool = False
    absence: str = ""


def read(report: AgentReport) -> Received:
    """Give what the agent sent, byte by byte as it came; what cannot be shown is escaped."""
    try:
        content = received(
            conf.deposit_root(),
            report.agent_id,
            report.file_name,
            size=report.size,
            sha256=report.sha256,
        )
    except FileAbsent:
        return Received(
            absence=_(
                "The file is not in the agent's folder any more: reports are removed when they "
                "are old, and whoever owns the folder may have removed it. What was recorded of "
                "it stays above."
            )
        )
    except (DepositError, OSError) as error:
        logger.warning("report %d of %s cannot be shown: %s", report.pk, report.agent_id, error)
        return Received(absence=_("The deposit tree cannot be read now; look again later."))
    is_cut = len(content) > SHOWN
    decoder = codecs.getincrementaldecoder(json.detect_encoding(content))("replace")
    # Not final where it is cut: half a character at the end is no error of the agent's.
    return Received(_shown(decoder.decode(content[:SHOWN], final=not is_cut)), is_cut=is_cut)


def _shown(text: str) -> str:
    """Keep tabs and the ends of lines, which are the agent's own layout."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(escaped(part) for part in line.split("\t")) for line in lines)
