"""The page, laid out with Gradio, and how it is served."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer.demo import show
from fer.demo.gradio_library import gradio_module
from fer.demo.guard import Guard
from fer.demo.models import first
from fer.demo.panel import Panel
from fer.demo.pictures import SAMPLE, longest, opened, samples
from fer.errors import FerError
from fer.runs.demo import DemoRun

HERE = Path(__file__).parent
TITLE = "<h1>fer</h1><p>What a model sees in a face. An expression is not an inner state.</p>"
FILMED = '<p class="fer-note">What the camera sees is shown here while it records.</p>'
ALONE = "none"
"""The choice of no second model."""

AT_ONCE = 4
"""Pictures that are decoded at the same time; the models are asked one by one."""

EVERY = 0.2
"""Seconds from one frame of a camera to the next; where answers take longer, frames are left out."""

WAITING = 100
"""Visitors that may wait; another one is told to try again."""

Answering = Callable[[Any, Any, Any, Any, Any], str]
"""A picture's text (or the camera's frame), two models, small faces, Grad-CAM -> HTML."""


def answering(panel: Panel, run: DemoRun) -> Answering:
    """Return what answers a visitor; what comes from a browser is checked here."""

    def answer(picture: Any, model: Any, other: Any, small: Any, explain: Any) -> str:
        names = [str(model)] + [str(other)] * (other not in (None, ALONE, model))
        text = picture.get("url") if isinstance(picture, dict) else picture  # the camera's frame is Gradio's image
        try:
            pixels = opened(str(text or ""), megabytes=run.megabytes, megapixels=run.megapixels)
            return show.answers(panel(pixels, names, small=bool(small), explain=bool(explain)))
        except FerError as error:
            return show.refused(str(error))

    return answer


def build(panel: Panel, run: DemoRun) -> Any:
    """Lay out the page: gradio.Blocks.

    Events hand over what the browser sent as it is (`preprocess=False`): Gradio would open files for it.
    """
    gr = gradio_module()
    answer, names = answering(panel, run), list(panel.models)
    with gr.Blocks(title="fer", analytics_enabled=False) as page:
        gr.HTML(TITLE, elem_id="fer-title")
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300):
                with gr.Tab("Picture") as still:
                    picker = gr.HTML(
                        f"{SAMPLE}{next(iter(samples()))}",
                        html_template=show.picker(samples(), run.megabytes),
                        js_on_load=(HERE / "picker.js").read_text(encoding="utf-8"),
                        elem_id="fer-picker",
                        bytes=round(run.megabytes * 1e6),
                    )
                with gr.Tab("Camera") as live:
                    camera = gr.Image(sources=["webcam"], streaming=True, show_label=False, elem_id="fer-camera")
                model = gr.Dropdown(names, value=first(panel.models), label="Model", elem_id="fer-model")
                other = gr.Dropdown([ALONE, *names], value=ALONE, label="Beside it", elem_id="fer-other")
                small = gr.Checkbox(label="Small faces too (slower)", container=False, elem_id="fer-small")
                explain = gr.Checkbox(label="Grad-CAM: what spoke for it", container=False, elem_id="fer-explain")
                gr.HTML("<p>Pictures are answered in memory and kept nowhere.</p>", elem_id="fer-kept")
            with gr.Column(scale=2, min_width=300):
                shown = gr.HTML(elem_id="fer-shown", apply_default_css=False)
                filmed = gr.HTML(FILMED, elem_id="fer-filmed", apply_default_css=False)
        still.select(js="() => document.body.classList.remove('fer-live')")
        live.select(js="() => document.body.classList.add('fer-live')")
        chosen = [model, other, small, explain]
        event = {"preprocess": False, "api_visibility": "private"}
        gr.on(
            [page.load, picker.submit, *(each.change for each in chosen)],
            answer,
            [picker, *chosen],
            shown,
            **event,
            show_progress="minimal",
            concurrency_limit=AT_ONCE,
            trigger_mode="always_last",
        )
        camera.stream(
            answer,
            [camera, *chosen],
            filmed,
            **event,
            show_progress="hidden",
            concurrency_limit=None,
            stream_every=EVERY,
            time_limit=None,
        )
    page.queue(max_size=WAITING)
    return page


def serve(page: Any, run: DemoRun) -> None:
    """Begin to serve the page; it ends with `page.close()`."""
    gr = gradio_module()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio asks its own page whether it is up
    page.launch(
        server_name=run.host,
        server_port=run.port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        theme=_theme(gr),
        css=(HERE / "style.css").read_text(encoding="utf-8"),
        app_kwargs={"middleware": [(Guard, (), {"largest": longest(run.megabytes) + 10_000})]},
    )


def _theme(gr: Any) -> Any:
    """Return a theme whose fonts are the machine's own: Gradio's are fetched."""
    return gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"]).set(
        block_title_background_fill="transparent",
        block_title_padding="0",
        block_title_text_color="*body_text_color",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
    )
