"""What stands where on the page, and what it is called in each language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

import rag
from ui.render import escape
from ui.session import FIELDS
from ui.state import choices, example_questions, state_html, state_line
from ui.texts import Language, text

Field = gr.Dropdown | gr.Textbox

_LISTS = ("categories", "digests", "announce")
_BUTTONS = ("clear", "save", "bibtex")
_DAYS = ("since", "until")


@dataclass(frozen=True, slots=True)
class Page:
    """The components that events read or change."""

    header: gr.HTML
    language: gr.Radio
    chat: gr.Chatbot
    chips: gr.Dropdown
    box: gr.Textbox
    clear: gr.Button
    save: gr.Button
    bibtex: gr.Button
    filters: gr.Accordion
    reset: gr.Button
    writer: gr.Dropdown
    sources_title: gr.HTML
    sources: gr.HTML
    index: gr.Accordion
    state: gr.HTML
    rebuild: gr.Button
    check: gr.Button
    progress: gr.HTML
    conversation: gr.State
    file: gr.Textbox
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def form(self) -> list[Field]:
        """The filters' fields, in the order of `FIELDS`."""
        return [self.fields[name] for name in FIELDS]


def lay_out(settings: rag.Settings) -> Page:
    """Put the components on the page; call it inside `gr.Blocks`."""
    parts: dict[str, Any] = {"conversation": gr.State(()), "file": gr.Textbox(visible=False)}
    with gr.Row(elem_id="top"):
        parts["header"] = gr.HTML(elem_id="header")
        parts["language"] = gr.Radio(
            [("English", "en"), ("中文", "zh")],
            value="en",
            show_label=False,
            container=False,
            elem_id="language",
        )
    with gr.Row(elem_id="main"):
        with gr.Column(scale=3, min_width=320, elem_id="left"):
            parts |= _conversation(settings)
        with gr.Column(scale=2, min_width=300, elem_id="right"):
            parts["sources_title"] = gr.HTML(elem_id="sources-title")
            parts["sources"] = gr.HTML(elem_id="sources")
            with gr.Accordion(open=False, elem_id="index") as parts["index"]:
                parts["state"] = gr.HTML(elem_id="state")
                with gr.Row(elem_id="upkeep"):
                    parts["rebuild"] = gr.Button(size="sm", elem_id="rebuild", min_width=120)
                    parts["check"] = gr.Button(size="sm", elem_id="check", min_width=120)
                parts["progress"] = gr.HTML(elem_id="progress")
    return Page(**parts)


def _conversation(settings: rag.Settings) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    parts["chat"] = gr.Chatbot(
        elem_id="chat",
        height="62vh",
        min_height=320,
        show_label=False,
        buttons=[],
        latex_delimiters=[],
        feedback_options=None,
        layout="bubble",
        line_breaks=False,
    )
    parts["chips"] = gr.Dropdown([], multiselect=True, visible=False, elem_id="chips")
    parts["box"] = gr.Textbox(
        elem_id="box",
        lines=1,
        max_lines=6,
        show_label=False,
        submit_btn=True,
        autofocus=True,
    )
    # A choice, not a field: an address typed here would be sent the settings' key.
    parts["writer"] = gr.Dropdown(
        [("", ""), ("", "none")],
        value="",
        visible=settings.llm != "none",
        show_label=False,
        filterable=False,
        container=False,
        elem_id="writer",
    )
    with gr.Accordion(open=False, elem_id="filters") as parts["filters"]:
        parts["fields"] = _fields()
        parts["reset"] = gr.Button(size="sm", elem_id="reset")
    with gr.Row(elem_id="actions"):
        for name in _BUTTONS:
            parts[name] = gr.Button(size="sm", variant="secondary", elem_id=name, min_width=120)
    return parts


def _fields() -> dict[str, Field]:
    fields: dict[str, Field] = {}
    with gr.Row():
        for name in _LISTS:
            fields[name] = gr.Dropdown([], multiselect=True, elem_id=name, min_width=180)
    with gr.Row():
        for name in _DAYS:
            fields[name] = gr.Dropdown([("", "")], value="", elem_id=name, min_width=130)
        fields["authors"] = gr.Textbox("", elem_id="authors", min_width=160)
        fields["ids"] = gr.Textbox("", elem_id="ids", min_width=160)
    return fields


def dressed(page: Page, settings: rag.Settings, language: Language) -> dict[Any, Any]:
    """Return the updates that put the page into `language`, with the index as it is now."""

    def say(key: str) -> str:
        return text(language, key)

    status = rag.status(settings=settings)
    found = choices(status, language)
    updates: dict[Any, Any] = {
        page.header: f"<h1>{escape(say('title'))}</h1><p>{escape(say('tagline'))}</p>",
        page.language: gr.update(value=language),
        page.chat: gr.update(
            label=say("chat"),
            placeholder=say("empty"),
            examples=[{"text": q} for q in example_questions(settings, language)],
        ),
        page.chips: gr.update(label=say("chips")),
        page.box: gr.update(placeholder=say("ask"), label=say("question")),
        page.filters: gr.update(label=say("filters")),
        page.reset: gr.update(value=say("filters_reset")),
        page.sources_title: f"<h2>{escape(say('sources'))}</h2>",
        page.index: gr.update(label=state_line(status, language)),
        page.state: state_html(status, language),
        page.rebuild: gr.update(value=say("rebuild")),
        page.check: gr.update(value=say("check")),
    }
    for button in _BUTTONS:
        updates[getattr(page, button)] = gr.update(value=say(button))
    for name in (*_LISTS, *_DAYS):
        updates[page.fields[name]] = gr.update(label=say(name), choices=found[name])
    for name in ("authors", "ids"):
        updates[page.fields[name]] = gr.update(label=say(name), placeholder=say(f"{name}_hint"))
    return updates


def dressable(page: Page) -> list[Any]:
    """Return the components that `dressed` updates."""
    names = "header language chat chips box filters reset sources_title index state rebuild check"
    return [*(getattr(page, name) for name in (*names.split(), *_BUTTONS)), *page.form]
