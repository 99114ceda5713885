package org.polyrank.opensearch;

/**
 * A candidate at its final place.
 *
 * @param id its `_id` when it has been read, else null
 * @param fusedRank rank after the fusion, from 1
 * @param relevance the cross-encoder's score, or NaN when it did not read this document
 * @param rerankRank rank by relevance within the rerank window, from 1; 0 when it has none
 * @param finalScore the score its place follows from; NaN behind the rerank window, where the fused order goes on
 */
record RankedDoc(Candidate candidate, String id, int fusedRank, double relevance, int rerankRank, double finalScore) {}
