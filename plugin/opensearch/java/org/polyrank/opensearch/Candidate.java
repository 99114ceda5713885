package org.polyrank.opensearch;

import java.util.Map;

/**
 * A document that at least one retriever found.
 *
 * @param ranks retriever to rank, from 1
 * @param scores retriever to its own score
 */
record Candidate(DocKey doc, Map<String, Integer> ranks, Map<String, Float> scores, double fusedScore) {
    int bestRank() {
        int best = Integer.MAX_VALUE;
        for (int rank : ranks.values()) best = Math.min(best, rank);
        return best;
    }
}
