package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.search.TotalHits;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.search.SearchHit;

/**
 * What a sub-search found.
 *
 * @param hits best first
 * @param total how many there are; null when that was not asked
 * @param whole whether every shard answered in full
 * @param shards how many were asked
 */
record Found(List<Ranking.Hit> hits, TotalHits total, boolean whole, int shards) {
    /** The hits of a search that asked for sequence numbers. */
    static Found of(SearchResponse response) {
        List<Ranking.Hit> hits = new ArrayList<>(response.getHits().getHits().length);
        for (SearchHit hit : response.getHits().getHits()) hits.add(new Ranking.Hit(DocKey.of(hit), hit.getScore(), -1, false));
        boolean whole = response.getFailedShards() == 0 && !response.isTimedOut();
        return new Found(hits, response.getHits().getTotalHits(), whole, response.getTotalShards());
    }

    /** The highest score; 0 when nothing was found. */
    float highestScore() {
        float highest = 0;
        for (Ranking.Hit hit : hits) highest = Math.max(highest, hit.score());
        return highest;
    }
}
