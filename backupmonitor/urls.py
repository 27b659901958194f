"""The addresses: the admin, the choice of language, and what the scanner serves."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from scanner.admin import answering

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("i18n/", include("django.conf.urls.i18n")),
    # In the place of unfold's own, whose name leads here, too.
    path("admin/search/", admin.site.admin_view(answering.search)),
    path("admin/", admin.site.urls),
    path("board/", include("scanner.web.urls")),
]

handler403 = "scanner.admin.refused.forbidden"
handler404 = "scanner.admin.refused.not_found"
handler500 = "scanner.admin.refused.failed"
