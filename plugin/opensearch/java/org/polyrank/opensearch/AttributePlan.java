package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.opensearch.common.lucene.search.function.CombineFunction;
import org.opensearch.common.lucene.search.function.FunctionScoreQuery;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.index.query.functionscore.FunctionScoreQueryBuilder.FilterFunctionBuilder;
import org.opensearch.index.query.functionscore.ScoreFunctionBuilders;

/**
 * What the attributes of one query do to its searches.
 *
 * @param filters every hit meets them
 * @param boosts the text score of a hit that meets one is multiplied by 1 + weight * confidence
 * @param left what is not used, with its `reason`
 * @param relaxed those of the boosts that left nothing as filters
 */
record AttributePlan(List<Attribute> filters, List<Attribute> boosts, double weight, List<Map<String, Object>> left, List<Attribute> relaxed) {
    static final String LEFT_OUT = "the request leaves it out";
    static final AttributePlan NONE = new AttributePlan(List.of(), List.of(), 0, List.of(), List.of());

    /** `understanding` is null when the service was lost. */
    static AttributePlan of(Understanding understanding, AttributesConfig config, PolyrankExt ext) {
        AttributesConfig.Use use = ext.attributes(config.use());
        if (understanding == null || use == AttributesConfig.Use.OFF) return NONE;
        List<Attribute> filters = new ArrayList<>();
        List<Attribute> boosts = new ArrayList<>();
        List<Map<String, Object>> left = new ArrayList<>();
        for (Attribute attribute : understanding.attributes()) {
            if (ext.without().contains(attribute.text())) left.add(with(attribute.told(), "reason", LEFT_OUT));
            else if (attribute.clause() == null) left.add(with(attribute.told(), "reason", attribute.reason()));
            else if (attribute.confidence() < config.minConfidence()) {
                left.add(with(attribute.told(), "reason", "its confidence is under " + config.minConfidence()));
            } else if (use == AttributesConfig.Use.FILTER && attribute.condition() && attribute.confidence() >= config.filterConfidence()) {
                filters.add(attribute);
            } else boosts.add(attribute);
        }
        return new AttributePlan(filters, boosts, config.weight(), left, List.of());
    }

    boolean isEmpty() {
        return filters.isEmpty() && boosts.isEmpty();
    }

    /** The same with every filter as a boost. */
    AttributePlan relax() {
        List<Attribute> all = new ArrayList<>(filters);
        all.addAll(boosts);
        return new AttributePlan(List.of(), all, weight, left, filters);
    }

    /** A query for texts with these filters and boosts. */
    QueryBuilder on(QueryBuilder query) {
        if (filters.isEmpty()) return boosted(query);
        BoolQueryBuilder filtered = QueryBuilders.boolQuery().must(boosted(query));
        filters.forEach(attribute -> filtered.filter(attribute.clause()));
        return filtered;
    }

    /** The boosts alone. */
    QueryBuilder boosted(QueryBuilder query) {
        if (boosts.isEmpty()) return query;
        FilterFunctionBuilder[] functions = boosts.stream()
            .map(a -> new FilterFunctionBuilder(a.clause(), ScoreFunctionBuilders.weightFactorFunction((float) (1 + weight * a.confidence()))))
            .toArray(FilterFunctionBuilder[]::new);
        return QueryBuilders.functionScoreQuery(query, functions)
            .scoreMode(FunctionScoreQuery.ScoreMode.MULTIPLY)
            .boostMode(CombineFunction.MULTIPLY);
    }

    /** What the response says of the attributes in use. */
    List<Map<String, Object>> applied() {
        List<Map<String, Object>> told = new ArrayList<>();
        filters.forEach(attribute -> told.add(with(attribute.told(), "use", "filter")));
        for (Attribute attribute : boosts) {
            Map<String, Object> one = with(attribute.told(), "use", "boost");
            if (relaxed.contains(attribute)) one.put("reason", "as a filter it leaves nothing");
            told.add(one);
        }
        return told;
    }

    /** A copy with one more key. */
    static Map<String, Object> with(Map<String, Object> told, String key, String value) {
        Map<String, Object> more = new LinkedHashMap<>(told);
        more.put(key, value);
        return more;
    }
}
