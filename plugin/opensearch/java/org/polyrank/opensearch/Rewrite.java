package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;

/** Turns the caller's request into one that gives the ranked window first and the caller's own order behind it. */
final class Rewrite {
    private Rewrite() {}

    /** The window first, then what the caller's own query finds besides. */
    static void whole(SearchSourceBuilder source, List<RankedDoc> ranked, float highestLexical) {
        apply(source, ranked, highestLexical, ranked.size(), false);
    }

    /** The first `wanted` of the window and nothing else: each costs every shard a look-up. */
    static void only(SearchSourceBuilder source, List<RankedDoc> ranked, float highestLexical, int wanted) {
        apply(source, ranked, highestLexical, wanted, true);
    }

    private static void apply(SearchSourceBuilder source, List<RankedDoc> ranked, float highestLexical, int wanted, boolean only) {
        List<RankedDocsQueryBuilder.Doc> docs = withScores(ranked, highestLexical).subList(0, Math.min(wanted, ranked.size()));
        QueryBuilder callers = source.query();
        source.query(new RankedDocsQueryBuilder(docs, only ? RankedDocsQueryBuilder.naming(callers) : callers, only));
        if (source.rescores() != null) source.clearRescorers(); // done in the lexical search; here they would undo the ranking
        source.indexBoosts().clear(); // likewise
    }

    /** Falling scores, each above everything that the caller's own query gives; the margin covers shards that score a bit differently. */
    static float[] scores(int count, float highestLexical) {
        float base = 2 * highestLexical + 1;
        float step = Math.max(1f, 4 * Math.ulp(base)); // large scores have gaps wider than 1
        float[] scores = new float[count];
        for (int i = 0; i < count; i++) scores[i] = base + (count - i) * step;
        return scores;
    }

    private static List<RankedDocsQueryBuilder.Doc> withScores(List<RankedDoc> ranked, float highestLexical) {
        float[] scores = scores(ranked.size(), highestLexical);
        List<RankedDocsQueryBuilder.Doc> docs = new ArrayList<>(ranked.size());
        for (int i = 0; i < ranked.size(); i++) {
            RankedDoc doc = ranked.get(i);
            docs.add(RankedDocsQueryBuilder.Doc.of(doc.candidate().doc(), doc.candidate().at(), doc.id(), scores[i]));
        }
        return docs;
    }
}
