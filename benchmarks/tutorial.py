"""What a user would write from the tutorials: LlamaIndex's reader and splitter, Chroma, MiniLM."""

from __future__ import annotations

import re
from pathlib import Path

from rag.embed import Encoder

_ID = re.compile(r"\d{4}\.\d{4,5}")
_CHUNKS = 50


class Tutorial:
    """Digests as plain files, cut into chunks; a chunk's papers are the ids it names."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        """Read, split, embed and index every file of `folder`."""
        import chromadb
        from llama_index.core import SimpleDirectoryReader
        from llama_index.core.node_parser import SentenceSplitter

        documents = SimpleDirectoryReader(str(folder)).load_data()
        nodes = SentenceSplitter().get_nodes_from_documents(documents)
        texts = [node.get_content() for node in nodes]
        self._encoder = encoder
        self._collection = chromadb.EphemeralClient().create_collection(
            "tutorial", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )
        self._collection.add(
            ids=[str(i) for i in range(len(texts))],
            documents=texts,
            embeddings=encoder.encode_passages(texts),
        )

    def rank(self, question: str) -> list[str]:
        """Return the ids that the best chunks name, in order, each once."""
        found = self._collection.query(
            query_embeddings=self._encoder.encode_queries([question]),
            n_results=min(_CHUNKS, self._collection.count()),
            include=["documents"],
        )
        chunks = (found["documents"] or [[]])[0]
        return list(dict.fromkeys(i for chunk in chunks for i in _ID.findall(chunk)))
