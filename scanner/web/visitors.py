"""Who looks at the board: somebody logged in, or a display with a pass.

Whoever may see the jobs in the admin sees the board there; the wall display, which shows incidents
too, has a permission of its own. A display shows its pass once, in the address. From then on it
holds a signed cookie, which opens nothing but the board; that the pass is not revoked is looked up
each time.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.core.signing import BadSignature
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from scanner import access, conf
from scanner.access import Companies
from scanner.models import BackupEntry, ExpectedBackupJob, Incident, WallPass

PERMISSION = "scanner.view_wall"
PARAMETER = "pass"
COOKIE = "wall_pass"
NOTED_EVERY = timedelta(hours=1)
# Browsers keep none for longer; each opening of the display starts it anew.
_COOKIE_AGE = timedelta(days=400)
_SALT = "scanner.web.visitors"
_OPENED: tuple[type[Model], ...] = (ExpectedBackupJob, BackupEntry, Incident)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may look at the board.

    `companies` are those whose jobs are shown, `opens` the models whose pages in the admin may be
    opened: the board links to no others. `sees_wall` is whether the wall display may be opened.
    """

    name: str
    companies: Companies
    opens: frozenset[type[Model]] = field(default_factory=frozenset)
    sees_wall: bool = True
    wall_pass: WallPass | None = None

    @property
    def may_open(self) -> bool:
        """Whether the pages of jobs and of entries may be opened."""
        return {ExpectedBackupJob, BackupEntry} <= self.opens


def visitor(request: HttpRequest) -> Visitor | None:
    """Give who looks, or None for somebody who may not: nobody, or one whose pass is revoked.

    What a user may see comes before what the pass of the browser shows. At most once an hour it is
    noted that a pass is used.
    """
    opens, sees_wall = _opened_by(request), request.user.has_perm(PERMISSION)
    if sees_wall or ExpectedBackupJob in opens:
        companies = access.companies_of(request.user)
        return Visitor(request.user.get_username(), companies, opens, sees_wall=sees_wall)
    shown = shown_pass(request)
    if shown is None:
        return None
    _note_use(shown, timezone.now())
    return Visitor(shown.name, access.companies_of_pass(shown), wall_pass=shown)


def holds_pass(request: HttpRequest) -> bool:
    """Tell whether the browser was given a pass once, whatever became of it."""
    return _held(request) is not None


def shown_pass(request: HttpRequest) -> WallPass | None:
    """Give the pass that the browser holds, unless it is unknown or revoked."""
    digest = _held(request)
    return None if digest is None else _valid(digest)


def pass_of(token: str) -> WallPass | None:
    """Give the pass that a token opens; None when it is unknown or revoked."""
    return _valid(access.digest_of(token))


def remember(response: HttpResponseBase, wall_pass: WallPass, *, secure: bool) -> None:
    """Have the browser hold a pass, for the display alone; `secure`: the request came by https."""
    response.set_signed_cookie(
        COOKIE,
        wall_pass.token_sha256,
        salt=_SALT,
        max_age=_COOKIE_AGE,
        path=reverse("board:wall"),
        secure=secure or conf.site_url().startswith("https://"),
        httponly=True,
        samesite="Lax",
    )


def _held(request: HttpRequest) -> str | None:
    try:
        return request.get_signed_cookie(COOKIE, salt=_SALT)
    except (KeyError, BadSignature):
        return None


def _valid(digest: str) -> WallPass | None:
    return WallPass.objects.filter(token_sha256=digest, revoked_at=None).first()


def _note_use(wall_pass: WallPass, now: datetime) -> None:
    used = wall_pass.last_used_at
    if used is not None and used > now - NOTED_EVERY:
        return
    since = Q(last_used_at=None) | Q(last_used_at__lte=now - NOTED_EVERY)
    WallPass.objects.filter(since, pk=wall_pass.pk).update(last_used_at=now)


def _opened_by(request: HttpRequest) -> frozenset[type[Model]]:
    user = request.user
    if not user.is_staff:
        return frozenset()
    return frozenset(
        model
        for model in _OPENED
        if any(
            user.has_perm(f"{model._meta.app_label}.{what}_{model._meta.model_name}")
            for what in ("view", "change")
        )
    )
