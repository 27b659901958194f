"""The addresses below `board/`."""

from django.urls import path

from scanner.web import matrix, wall

app_name = "board"

urlpatterns = [
    path("", wall.wall, name="wall"),
    path("state.json", wall.state, name="wall_state"),
    path("matrix.json", matrix.data, name="matrix"),
]
