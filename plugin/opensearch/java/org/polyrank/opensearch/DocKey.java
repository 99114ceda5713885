package org.polyrank.opensearch;

import java.util.Comparator;
import org.opensearch.search.SearchHit;

/**
 * A version of a document, by what a shard can say without reading stored fields: for a window of 100 hits, reading their `_id`s costs
 * as much as finding them.
 *
 * @param index name of the index, not of an alias: two indices may hold the same id
 */
record DocKey(String index, int shard, long seqNo) implements Comparable<DocKey> {
    private static final Comparator<DocKey> ORDER = Comparator.comparing(DocKey::index)
        .thenComparingInt(DocKey::shard)
        .thenComparingLong(DocKey::seqNo);

    /** The key of a hit of a search that asked for sequence numbers. */
    static DocKey of(SearchHit hit) {
        return new DocKey(hit.getIndex(), hit.getShard().getShardId().id(), hit.getSeqNo());
    }

    @Override
    public int compareTo(DocKey other) {
        return ORDER.compare(this, other);
    }
}
