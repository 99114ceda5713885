package org.polyrank.opensearch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A document that at least one retriever found.
 *
 * @param at where its shard had it, see {@link Ranking.Hit}
 * @param places in which rankings, one a retriever
 * @param bestRank the best rank of these
 */
record Candidate(DocKey doc, int at, List<Place> places, int bestRank, double fusedScore) {
    /** Its rank with one retriever, from 1, and that one's own score. */
    record Place(String retriever, int rank, float score) {}

    boolean foundBy(String retriever) {
        for (Place place : places) if (place.retriever().equals(retriever)) return true;
        return false;
    }

    /** Retriever to rank. */
    Map<String, Object> ranks() {
        Map<String, Object> ranks = new LinkedHashMap<>();
        for (Place place : places) ranks.put(place.retriever(), place.rank());
        return ranks;
    }

    /** Retriever to its own score. */
    Map<String, Object> scores() {
        Map<String, Object> scores = new LinkedHashMap<>();
        for (Place place : places) scores.put(place.retriever(), place.score());
        return scores;
    }
}
