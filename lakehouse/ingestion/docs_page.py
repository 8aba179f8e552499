"""The page of the API's description, with its scripts served from here: a laptop without a network shows it too.

FastAPI's own page fetches them from a content delivery network and stays blank without one.
"""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

PAGE, ASSETS = "/docs", "/docs-assets"


def add_docs_page(app: FastAPI) -> None:
    """Serve the page; `app` must have been made with `docs_url=None`, or FastAPI's own is there first."""
    # of the package only the scripts: its application class is none that another could derive from
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-assets")

    @app.get(PAGE, include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )
