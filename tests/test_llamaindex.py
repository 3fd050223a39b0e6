"""The retriever and the query engine as LlamaIndex users meet them."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode

import rag
from rag.errors import IndexMissing, QuestionError
from rag.index import open_index
from rag.llamaindex import text_node
from rag.settings import Settings
from rag.types import Filters

SAFE = "2505.20065"


def test_a_retriever_gives_what_search_gives(seed_index: Settings) -> None:
    retriever = rag.as_retriever(top_k=4, settings=seed_index)
    assert isinstance(retriever, BaseRetriever)
    nodes = retriever.retrieve("What is SafeDPO?")
    hits = rag.search("What is SafeDPO?", top_k=4, settings=seed_index)
    assert [n.node.node_id for n in nodes] == [hit.passage.id for hit in hits]
    assert [n.score for n in nodes] == [hit.score for hit in hits]
    assert all(isinstance(n, NodeWithScore) and isinstance(n.node, TextNode) for n in nodes)
    assert nodes[0].node.metadata["arxiv_id"] == SAFE


def test_a_query_bundle_and_a_filter(seed_index: Settings) -> None:
    retriever = rag.as_retriever(filters=Filters(categories=("cs.CR",)), settings=seed_index)
    assert len(retriever.retrieve(QueryBundle("attacks"))) == 1


def test_it_can_be_awaited(seed_index: Settings) -> None:
    nodes = asyncio.run(rag.as_retriever(top_k=1, settings=seed_index).aretrieve("SafeDPO"))
    assert nodes[0].node.metadata["arxiv_id"] == SAFE


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_node_is_its_passage_and_shows_a_model_the_title(
    seed_index: Settings, language: str
) -> None:
    passages = open_index(seed_index).store.passages_of(SAFE)
    passage = next(p for p in passages if p.language == language)
    node = text_node(passage)
    assert (node.node_id, node.text) == (passage.id, passage.text)
    assert node.metadata["language"] == language
    shown = node.get_content(MetadataMode.EMBED)
    assert passage.title in shown
    assert passage.text in shown
    assert passage.digest not in shown or not passage.digest


def test_a_query_engine_answers_with_citations(seed_index: Settings) -> None:
    engine = rag.as_query_engine(settings=seed_index)
    response = engine.query("What is SafeDPO?")
    assert f"[{SAFE}]" in str(response)
    metadata = response.metadata or {}
    assert metadata["citations"] == [SAFE]
    assert metadata["is_refusal"] is False
    assert response.source_nodes[0].node.metadata["arxiv_id"] == SAFE


def test_a_query_engine_refuses_too(seed_index: Settings) -> None:
    response = rag.as_query_engine(settings=seed_index).query("2599.99999讲了什么？")
    metadata = response.metadata or {}
    assert metadata["is_refusal"] is True
    assert metadata["language"] == "zh"
    assert metadata["citations"] == []


def test_errors_are_those_of_search(seed_index: Settings, tmp_path: object) -> None:
    with pytest.raises(QuestionError):
        rag.as_retriever(settings=seed_index).retrieve(" ")
    with pytest.raises(IndexMissing):
        rag.as_retriever(settings=Settings(index_dir=seed_index.index_dir / "no")).retrieve("x")


def test_the_retriever_fits_into_llamaindexs_own_engine(seed_index: Settings) -> None:
    from llama_index.core.llms import MockLLM

    engine = RetrieverQueryEngine.from_args(
        rag.as_retriever(top_k=2, settings=seed_index), llm=MockLLM(max_tokens=5)
    )
    assert len(engine.query("What is SafeDPO?").source_nodes) == 2
