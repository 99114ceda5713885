package org.polyrank.opensearch;

import java.util.Comparator;
import java.util.List;

/**
 * What one retriever found, best first.
 *
 * @param retriever key in the response's `ranks` and `scores`
 */
record Ranking(String retriever, double weight, List<Hit> hits) {
    static Ranking of(RetrieverConfig retriever, Found found) {
        return new Ranking(retriever.key(), retriever.weight(), found.hits());
    }

    /**
     * @param at Lucene's number of the document in the shard that found it, good for as long as that shard's reader; -1 when it is not known
     * @param told whether the shard was asked if the caller's query matches it, and says so
     */
    record Hit(DocKey doc, float score, int at, boolean told) {
        /** For a stable sort: equal scores keep their order, that of the shards. */
        static final Comparator<Hit> BEST_FIRST = (a, b) -> Float.compare(b.score(), a.score());
    }
}
