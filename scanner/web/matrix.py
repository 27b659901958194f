"""The data of the board's matrix, for its script."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import conditional_page, require_safe
from django.views.decorators.vary import vary_on_cookie

from scanner import matrix
from scanner.web.visitors import visitor


@require_safe
@gzip_page
@conditional_page
@cache_control(private=True, no_cache=True)
@vary_on_cookie
def data(request: HttpRequest) -> HttpResponse:
    """Give the matrix of what whoever asks may see, of as many days as `days` says.

    403 for whoever may see no board, 400 for a number of days that is not on offer. What did not
    change since the browser asked last is not sent again.
    """
    who = visitor(request)
    if who is None:
        return JsonResponse({"error": "forbidden"}, status=HTTPStatus.FORBIDDEN)
    days = request.GET.get("days", str(matrix.SPANS[0]))
    if days not in map(str, matrix.SPANS):
        return JsonResponse({"error": "days: 30 or 90"}, status=HTTPStatus.BAD_REQUEST)
    found = matrix.read(who.companies, today=timezone.localdate(), span=int(days))
    return JsonResponse(
        matrix.as_data(found), json_dumps_params={"separators": (",", ":"), "ensure_ascii": False}
    )
