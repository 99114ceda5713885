package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Weights of the retrievers for some queries, in place of their own.
 *
 * @param weights retriever key to weight; a retriever that is not named keeps its own
 */
record FusionWeights(QueryGroups queries, Map<String, Double> weights) {
    /** Reads the list `overrides`; empty when there is none. */
    static List<FusionWeights> read(ConfigReader parent, List<RetrieverConfig> retrievers) {
        Set<String> keys = retrievers.stream().map(RetrieverConfig::key).collect(Collectors.toSet());
        List<FusionWeights> overrides = new ArrayList<>();
        for (ConfigReader reader : parent.objects("overrides")) {
            QueryGroups queries = QueryGroups.read(reader);
            if (queries.equals(QueryGroups.NONE)) throw reader.error("languages", "is missing: name languages or classes of queries");
            ConfigReader given = reader.object("weights");
            if (given == null) throw reader.error("weights", "is missing: write {\"lexical\": 0.5}");
            Map<String, Double> weights = new HashMap<>();
            for (String key : keys) if (given.has(key)) weights.put(key, given.number(key, 1, 0, RetrieverReader.MAX_WEIGHT));
            given.finish();
            boolean none = retrievers.stream().allMatch(one -> weights.getOrDefault(one.key(), one.weight()) == 0);
            if (none) throw reader.error("weights", "leaves every retriever without weight: give one of them some");
            reader.finish();
            overrides.add(new FusionWeights(queries, weights));
        }
        return overrides;
    }

    /** The rankings with these weights. */
    List<Ranking> on(List<Ranking> rankings) {
        return rankings.stream()
            .map(one -> new Ranking(one.retriever(), weights.getOrDefault(one.retriever(), one.weight()), one.hits()))
            .toList();
    }
}
