package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;

/**
 * A candidate at its final place.
 *
 * @param id its `_id` when it has been read, else null
 * @param fusedRank rank after the fusion, from 1
 * @param relevance the cross-encoder's score, or NaN when it did not read this document
 * @param rerankRank rank by relevance within the rerank window, from 1; 0 when it has none
 * @param finalScore the score its place follows from; NaN behind the rerank window, where the fused order goes on
 */
record RankedDoc(Candidate candidate, String id, int fusedRank, double relevance, int rerankRank, double finalScore) {
    /** Fused candidates, best first, that no cross-encoder has read. */
    static List<RankedDoc> of(List<Candidate> fused) {
        List<RankedDoc> ranked = new ArrayList<>(fused.size());
        for (Candidate candidate : fused) ranked.add(new RankedDoc(candidate, null, ranked.size() + 1, Double.NaN, 0, candidate.fusedScore()));
        return ranked;
    }
}
