package org.polyrank.opensearch;

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

    record Hit(DocKey doc, float score) {}
}
