"""The chat in the browser: what happens on each event, and serving it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

import rag
from ui import export, session
from ui.cards import panel_html
from ui.layout import Page, dressable, dressed, lay_out
from ui.render import escape
from ui.session import FIELDS, Conversation, Way
from ui.state import check_html, rebuild, writers
from ui.texts import Language, preferred, text

# So many readers are answered at the same time; the others wait in a queue.
_READERS = 32
_CSS = Path(__file__).with_name("style.css")
# The page may load nothing from anywhere but this server, whatever gets into it.
_HEAD = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'self\'; '
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'\">"
)
_DOWNLOAD = """(content) => {
    const [name, body] = [content.slice(0, content.indexOf("\\n")),
                          content.slice(content.indexOf("\\n") + 1)];
    const address = URL.createObjectURL(new Blob([body], {type: "text/plain"}));
    const anchor = Object.assign(document.createElement("a"), {href: address, download: name});
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
}"""
# The page names each message by its HTML, which a screen reader would read out.
_RENAME = """() => {
    const rename = () => document.querySelectorAll('#chat [aria-label*="<div"]').forEach(
        (element) => element.setAttribute("aria-label", element.dataset.testid));
    new MutationObserver(rename).observe(document.body, {subtree: true, childList: true});
}"""
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build(settings: rag.Settings) -> gr.Blocks:
    """Return the app, ready to be launched; it opens nothing yet."""
    app = gr.Blocks(title="Digest chat", analytics_enabled=False, fill_width=True)
    with app:
        page = lay_out(settings)
        _dress(app, page, settings)
        _converse(page, settings)
        _save(page, settings)
        _maintain(page, settings)
    return app


def launch(settings: rag.Settings, ready: Callable[[str], None] | None = None) -> None:
    """Serve the chat on `settings.host` and `.port` until Ctrl-C.

    `ready` is called with the address once it answers (default: print it). Raises `SettingError`
    when the port can't be used. The index should be there (`rag.ensure_index`),
    but a reader can also build it from the page.
    """
    app = build(settings)
    app.queue(default_concurrency_limit=_READERS)
    try:
        _, address, _ = app.launch(
            server_name=settings.host,
            server_port=settings.port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_threads=2 * _READERS,
            footer_links=[],
            theme=_theme(),
            css_paths=_CSS,
            head=_HEAD,
            js=_RENAME,
            ssr_mode=False,
            mcp_server=False,
            max_file_size=1,
        )
    except OSError as error:
        raise rag.SettingError(
            f"The chat can't listen on {settings.host}:{settings.port}; the port is taken.",
            "Stop what uses it, or choose another with RAG_PORT.",
        ) from error
    threading.Thread(target=_warm_up, args=(settings,), daemon=True).start()
    (ready or _say)(address)
    app.block_thread()


def _say(address: str) -> None:
    print(f"The chat is on {address} (Ctrl-C ends it).", file=sys.stderr, flush=True)


def _warm_up(settings: rag.Settings) -> None:
    """Load the models before the first reader asks; who asks earlier waits for them."""
    with suppress(rag.DigestRagError):
        rag.prepare(settings)


def _theme() -> gr.themes.Base:
    fonts = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
    theme = gr.themes.Soft(
        primary_hue="teal",
        neutral_hue="slate",
        font=fonts,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
    return theme.set(
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        body_text_color_subdued="*neutral_500",
        button_secondary_background_fill_dark="*neutral_800",
    )


def _dress(app: gr.Blocks, page: Page, settings: rag.Settings) -> None:
    def greet(request: gr.Request) -> dict[Any, Any]:
        language = preferred(request.headers.get("accept-language", ""))
        return translate((), language)

    def translate(conversation: Conversation, language: Language) -> dict[Any, Any]:
        shown = session.messages(conversation, language)
        updates = dressed(page, settings, language)
        updates[page.chat]["value"] = shown
        updates[page.chips] |= _chips(conversation, language)
        return updates | {page.sources: _panel(conversation, settings, language)}

    def offer(language: Language) -> dict[str, Any]:
        # By itself, because the model's server may take its time.
        update: dict[str, Any] = gr.update(
            choices=writers(settings, language), label=text(language, "writer")
        )
        return update

    outputs = [*dressable(page), page.sources]
    greeted = app.load(greet, None, outputs, **_PRIVATE)
    page.language.input(translate, [page.conversation, page.language], outputs, **_PRIVATE)
    for event in (greeted.then, page.language.input):
        event(offer, page.language, page.writer, **_PRIVATE)


def _converse(page: Page, settings: rag.Settings) -> None:
    shown = [page.box, page.conversation, page.chat, page.sources, page.chips]
    given = [page.conversation, page.language, page.writer, *page.form]

    def respond(
        question: str, conversation: Conversation, language: Language, llm: str, *fields: object
    ) -> Iterator[tuple[Any, ...]]:
        yield from ask(question, conversation, _way(settings, language, llm, fields))

    def ask(question: str, conversation: Conversation, way: Way) -> Iterator[tuple[Any, ...]]:
        language = way.language
        before = session.messages(session.stopped(conversation, language), language)
        first = gr.update(value="", submit_btn=False, stop_btn=True)
        for grown in session.ask(conversation, question, way, settings):
            conversation = grown
            now = before + session.messages(grown[-1:], language)
            yield first, grown, now, gr.skip(), gr.update(visible=False)
            first = gr.skip()
        yield (
            gr.update(submit_btn=True, stop_btn=False),
            conversation,
            session.messages(conversation, language),
            _panel(conversation, settings, language),
            _chips(conversation, language),
        )

    def ask_without(
        kept: list[str], conversation: Conversation, language: Language, llm: str, *fields: object
    ) -> Iterator[tuple[Any, ...]]:
        if not conversation:
            return
        without = session.taken_back(conversation, kept)
        way = replace(_way(settings, language, llm, fields), without=without)
        yield from ask(conversation[-1].question, conversation[:-1], way)

    def respond_to_example(
        chosen: gr.SelectData,
        conversation: Conversation,
        language: Language,
        llm: str,
        *fields: object,
    ) -> Iterator[tuple[Any, ...]]:
        yield from respond(chosen.value["text"], conversation, language, llm, *fields)

    def stop(conversation: Conversation, language: Language) -> tuple[Any, ...]:
        conversation = session.stopped(conversation, language)
        ready = gr.update(submit_btn=True, stop_btn=False)
        shown = session.messages(conversation, language)
        return ready, conversation, shown, gr.skip(), gr.skip()

    def show_sources(chosen: gr.SelectData, conversation: Conversation, language: Language) -> str:
        # Each exchange is two messages: the question and its answer.
        return _panel(conversation[: int(chosen.index) // 2 + 1], settings, language)

    def start_again(language: Language) -> tuple[Any, ...]:
        ready = gr.update(submit_btn=True, stop_btn=False)
        return ready, (), [], _panel((), settings, language), _chips((), language)

    limits = {"concurrency_limit": _READERS, "concurrency_id": "ask", **_PRIVATE}
    asked = page.box.submit(respond, [page.box, *given], shown, **limits)
    chosen = page.chat.example_select(respond_to_example, given, shown, **limits)
    again = page.chips.input(ask_without, [page.chips, *given], shown, **limits)
    page.chat.select(show_sources, given[:2], page.sources, queue=False, **_PRIVATE)
    running: list[dict[str, Any]] = [asked, chosen, again]
    # Cancelled first, so that hardly a late token overwrites what is then said.
    stops = page.box.stop(None, cancels=running, **_PRIVATE)
    stops.then(stop, given[:2], shown, queue=False, **_PRIVATE)
    clears = page.clear.click(None, cancels=running, **_PRIVATE)
    clears.then(start_again, page.language, shown, queue=False, **_PRIVATE)


def _save(page: Page, settings: rag.Settings) -> None:
    def as_markdown(conversation: Conversation) -> str:
        return "digest-chat.md\n" + export.markdown(session.turns(conversation))

    def as_bibtex(conversation: Conversation) -> str:
        turns = session.turns(conversation)
        papers = session.cited_papers([turn.answer for turn in turns], settings)
        return "digest-chat.bib\n" + export.bibtex(turns, papers)

    for button, write in ((page.save, as_markdown), (page.bibtex, as_bibtex)):
        written = button.click(write, page.conversation, page.file, **_PRIVATE)
        written.then(None, page.file, None, js=_DOWNLOAD, **_PRIVATE)


def _maintain(page: Page, settings: rag.Settings) -> None:
    def count(language: Language, *fields: object) -> dict[str, Any]:
        active = sum(bool(value) for value in fields)
        key = "filters_on" if active else "filters"
        label: dict[str, Any] = gr.update(label=text(language, key, n=active))
        return label

    def reset() -> list[Any]:
        return [[] if name in ("categories", "digests", "announce") else "" for name in FIELDS]

    def build_anew(language: Language) -> Iterator[str]:
        for line in rebuild(settings, language):
            yield f"<p>{escape(line)}</p>"

    def examine(language: Language, llm: str) -> Iterator[str]:
        yield from check_html(settings, language, session.writer(llm, settings))

    def refresh(language: Language) -> dict[Any, Any]:
        updates = dressed(page, settings, language)
        wanted = (page.index, page.state, *(page.fields[name] for name in FIELDS))
        return {component: updates[component] for component in wanted}

    gr.on(
        [f.change for f in page.form], count, [page.language, *page.form], page.filters, **_PRIVATE
    )
    page.reset.click(reset, None, page.form, **_PRIVATE)
    built = page.rebuild.click(
        build_anew, page.language, page.progress, concurrency_limit=1, **_PRIVATE
    )
    page.check.click(
        examine, [page.language, page.writer], page.progress, concurrency_limit=1, **_PRIVATE
    )
    built.then(refresh, page.language, [page.index, page.state, *page.form], **_PRIVATE)


def _way(settings: rag.Settings, language: Language, llm: str, fields: Sequence[object]) -> Way:
    filters = session.make_filters(dict(zip(FIELDS, fields, strict=True)))
    return Way(language, filters, session.writer(llm, settings))


def _chips(conversation: Conversation, language: Language) -> dict[str, Any]:
    """Return the update that offers what was understood, each to be taken back."""
    choices = session.chips(conversation, language)
    fields = [name for _, name in choices]
    update: dict[str, Any] = gr.update(choices=choices, value=fields, visible=bool(choices))
    return update


def _panel(conversation: Conversation, settings: rag.Settings, language: Language) -> str:
    answered = [exchange.answer for exchange in conversation if exchange.answer]
    last = answered[-1] if answered else None
    return panel_html(last, session.cited_papers(answered[-1:], settings), language)
