"""The page of `python -m fer demo`.

models.py finds models, panel.py asks them, pictures.py opens what a visitor sends, show.py writes the answer as HTML:
none of them knows Gradio. page.py lays the page out and serves it behind guard.py.
"""
