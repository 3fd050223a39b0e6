"""The product as LlamaIndex parts: a retriever and a query engine.

LlamaIndex is imported here and with the language models only, so that a plain
question does not wait for it.
"""

from __future__ import annotations

from llama_index.core.base.response.schema import Response
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from pydantic import ConfigDict

from rag.answer import answer
from rag.arguments import check_filters
from rag.search import search
from rag.settings import Settings
from rag.types import Filters, Hit, Passage


def text_node(passage: Passage) -> TextNode:
    """Return a passage as a node with its id; only the title is shown to a model."""
    metadata = {
        "arxiv_id": passage.arxiv_id,
        "title": passage.title,
        "part": passage.part,
        "language": passage.language,
        "digest": passage.digest,
    }
    hidden = [key for key in metadata if key != "title"]
    return TextNode(
        id_=passage.id,
        text=passage.text,
        metadata=metadata,
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=["part", "language", "digest"],
    )


class DigestRetriever(BaseRetriever):
    """`rag.search` as a LlamaIndex retriever: one node per paper, best first."""

    def __init__(self, top_k: int, filters: Filters | None, settings: Settings) -> None:
        """Keep what every search of this retriever uses."""
        super().__init__()
        self._top_k = top_k
        self._filters = filters
        self._settings = settings

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = search(
            query_bundle.query_str,
            top_k=self._top_k,
            filters=self._filters,
            settings=self._settings,
        )
        return [_scored(hit) for hit in hits]


class DigestQueryEngine(CustomQueryEngine):
    """`rag.answer` as a LlamaIndex query engine; the nodes are the passages found."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    filters: Filters | None = None
    llm: object = None
    settings: Settings

    def custom_query(self, query_str: str) -> Response:
        """Return the answer with its citations and whether it is a refusal."""
        result = answer(query_str, filters=self.filters, llm=self.llm, settings=self.settings)
        return Response(
            response=result.text,
            source_nodes=[_scored(hit) for hit in result.hits],
            metadata={
                "citations": [citation.arxiv_id for citation in result.citations],
                "is_refusal": result.is_refusal,
                "language": result.language,
            },
        )


def as_retriever(
    *, top_k: int = 10, filters: Filters | None = None, settings: Settings | None = None
) -> DigestRetriever:
    """Return a LlamaIndex retriever over the current index; raises as `search` does."""
    check_filters(filters)
    return DigestRetriever(top_k, filters, settings or Settings.from_env())


def as_query_engine(
    *, filters: Filters | None = None, llm: object = None, settings: Settings | None = None
) -> DigestQueryEngine:
    """Return a LlamaIndex query engine that answers as `rag.answer` does."""
    check_filters(filters)
    return DigestQueryEngine(filters=filters, llm=llm, settings=settings or Settings.from_env())


def _scored(hit: Hit) -> NodeWithScore:
    return NodeWithScore(node=text_node(hit.passage), score=hit.score)
