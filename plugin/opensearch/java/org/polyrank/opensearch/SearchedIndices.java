package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.opensearch.action.search.SearchContextId;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.cluster.ClusterState;
import org.opensearch.cluster.metadata.IndexMetadata;
import org.opensearch.cluster.metadata.IndexNameExpressionResolver;
import org.opensearch.core.common.io.stream.NamedWriteableRegistry;
import org.opensearch.core.index.Index;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.MatchAllQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.search.internal.AliasFilter;

/** Which indices a search reads, by name: those behind its aliases and patterns, or those of its point in time. */
record SearchedIndices(IndexNameExpressionResolver resolver, NamedWriteableRegistry namedWriteableRegistry) {
    /** Throws what the resolver throws on an unknown index. */
    List<String> of(SearchRequest request, ClusterState state) {
        if (request.pointInTimeBuilder() != null) {
            return List.of(SearchContextId.decode(namedWriteableRegistry, request.pointInTimeBuilder().getId()).getActualIndices());
        }
        if (areNamed(request, state)) return Stream.of(request.indices()).distinct().toList();
        List<String> names = new ArrayList<>();
        for (Index index : resolver.concreteIndices(state, request)) names.add(index.getName());
        return names;
    }

    /** Whether the search reads any of its indices through an alias with a filter, so that its caller may not see all of them. */
    boolean areFiltered(SearchRequest request, ClusterState state) {
        return filter(request, state, of(request, state)) != null;
    }

    /** What the filters of the search's aliases leave of these indices; null when that is all. */
    QueryBuilder filter(SearchRequest request, ClusterState state, List<String> indices) {
        if (request.pointInTimeBuilder() == null && areNamed(request, state)) return null;
        Function<String, QueryBuilder> filters = filters(request, state);
        Map<QueryBuilder, List<String>> seen = new LinkedHashMap<>(); // filter to the indices that it is for
        for (String index : indices) {
            QueryBuilder filter = filters.apply(index);
            seen.computeIfAbsent(filter == null ? QueryBuilders.matchAllQuery() : filter, key -> new ArrayList<>()).add(index);
        }
        if (seen.keySet().stream().allMatch(MatchAllQueryBuilder.class::isInstance)) return null;
        if (seen.size() == 1) return seen.keySet().iterator().next();
        BoolQueryBuilder any = QueryBuilders.boolQuery();
        seen.forEach((filter, own) -> any.should(new OnIndicesQueryBuilder(own, filter)));
        return any;
    }

    /** Whether the request names open indices alone, as {@link PinnedIndices} leaves it: then there is nothing to resolve, and no alias. */
    private static boolean areNamed(SearchRequest request, ClusterState state) {
        String[] names = request.indices();
        if (names == null || names.length == 0) return false;
        for (String name : names) {
            IndexMetadata index = state.metadata().index(name);
            if (index == null || index.getState() != IndexMetadata.State.OPEN) return false;
        }
        return true;
    }

    private Function<String, QueryBuilder> filters(SearchRequest request, ClusterState state) {
        if (request.pointInTimeBuilder() != null) {
            Map<String, AliasFilter> byUuid = SearchContextId.decode(namedWriteableRegistry, request.pointInTimeBuilder().getId()).aliasFilter();
            return index -> {
                IndexMetadata metadata = state.metadata().index(index);
                AliasFilter filter = metadata == null ? null : byUuid.get(metadata.getIndexUUID());
                return filter == null ? null : filter.getQueryBuilder();
            };
        }
        Set<String> named = resolver.resolveExpressions(state, request.indices());
        return index -> {
            String[] aliases = resolver.filteringAliases(state, index, named);
            return aliases == null ? null : anyOf(state.metadata().index(index), aliases);
        };
    }

    private static QueryBuilder anyOf(IndexMetadata index, String[] aliases) {
        List<QueryBuilder> filters = new ArrayList<>();
        for (String alias : aliases) filters.add(QueryBuilders.wrapperQuery(index.getAliases().get(alias).filter().string()));
        if (filters.size() == 1) return filters.get(0);
        BoolQueryBuilder any = QueryBuilders.boolQuery();
        filters.forEach(any::should);
        return any;
    }
}
