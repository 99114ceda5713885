package org.polyrank.opensearch;

import java.util.List;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilders;

/**
 * A kNN search that also looks up lexical hits: those that are no neighbours are among its hits, too, behind all of them. Documents that
 * only one retriever found keep its order in the fused list, and what both found stands before what only one did at the same rank; so of
 * the lexical hits that are no neighbours those beyond the first n cannot be among the first n fused.
 */
final class LookedUp {
    /** The score of a document that was looked up and is no neighbour: below all that a kNN search gives, and above none. */
    private static final float SCORE = Float.MIN_VALUE;
    /** Each shard gives so many hits at most. */
    private static final int MOST = 1000;

    private LookedUp() {}

    /** Whether one search can bring so many neighbours and lexical hits. */
    static boolean fits(int neighbours, int lookedUp) {
        return neighbours + lookedUp <= MOST;
    }

    /** The search for neighbours and for these hits. `naming`: the query whose names and inner hits the hits get; may be null. */
    static QueryBuilder with(QueryBuilder knn, List<Ranking.Hit> hits, QueryBuilder naming) {
        List<RankedDocsQueryBuilder.Doc> docs = hits.stream().map(hit -> RankedDocsQueryBuilder.Doc.of(hit.doc(), hit.at(), null, SCORE)).toList();
        return QueryBuilders.disMaxQuery().add(knn).add(new RankedDocsQueryBuilder(docs, naming, true));
    }

    static boolean isNeighbour(Ranking.Hit hit) {
        return hit.score() != SCORE;
    }
}
