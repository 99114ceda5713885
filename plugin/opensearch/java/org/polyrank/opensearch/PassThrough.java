package org.polyrank.opensearch;

import java.util.List;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.sort.ScoreSortBuilder;
import org.opensearch.search.sort.SortBuilder;
import org.opensearch.search.sort.SortOrder;

/** Which requests are left exactly as they are. */
final class PassThrough {
    private PassThrough() {}

    /** Why this request is passed through unchanged, or null when it is to be reranked. */
    static String reason(SearchRequest request, String queryText, PipelineConfig config) {
        SearchSourceBuilder source = request.source();
        if (source == null || source.query() == null) return "no query";
        if (source.size() == 0) return "size 0";
        if (source.searchAfter() != null) return "search_after";
        if (source.slice() != null) return "slice";
        if (source.minScore() != null) return "min_score";
        if (!sortsByScore(source.sorts())) return "sort";
        if (source.getDerivedFieldsObject() != null || source.getDerivedFields() != null) return "derived fields";
        boolean piped = config.queryPipeline() != null;
        if (!piped && isNeuralHybrid(source.query())) return "hybrid query";
        if (piped && !(ShortPage.isPlain(request) && ShortPage.endOfPage(request) <= config.window())) return "more than a page of the window";
        if (isCrossCluster(request)) return "cross-cluster search";
        if (queryText == null || queryText.isBlank()) return "no query text";
        return null;
    }

    private static boolean sortsByScore(List<SortBuilder<?>> sorts) {
        if (sorts == null || sorts.isEmpty()) return true;
        return sorts.get(0) instanceof ScoreSortBuilder score && score.order() == SortOrder.DESC;
    }

    /** neural-search's hybrid query fuses itself and must stay at the top. */
    private static boolean isNeuralHybrid(QueryBuilder query) {
        return "hybrid".equals(query.getName());
    }

    private static boolean isCrossCluster(SearchRequest request) {
        for (String index : request.indices()) if (index.indexOf(':') > 0) return true;
        return false;
    }
}
