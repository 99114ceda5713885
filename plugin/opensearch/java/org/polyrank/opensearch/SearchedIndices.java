package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.opensearch.action.search.SearchContextId;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.cluster.ClusterState;
import org.opensearch.cluster.metadata.IndexNameExpressionResolver;
import org.opensearch.core.common.io.stream.NamedWriteableRegistry;
import org.opensearch.core.index.Index;
import org.opensearch.search.internal.AliasFilter;

/** Which indices a search reads, by name: those behind its aliases and patterns, or those of its point in time. */
record SearchedIndices(IndexNameExpressionResolver resolver, NamedWriteableRegistry namedWriteableRegistry) {
    /** Throws what the resolver throws on an unknown index. */
    List<String> of(SearchRequest request, ClusterState state) {
        if (request.pointInTimeBuilder() != null) {
            return List.of(SearchContextId.decode(namedWriteableRegistry, request.pointInTimeBuilder().getId()).getActualIndices());
        }
        List<String> names = new ArrayList<>();
        for (Index index : resolver.concreteIndices(state, request)) names.add(index.getName());
        return names;
    }

    /** Whether the search reads any of its indices through an alias with a filter, so that its caller may not see all of them. */
    boolean areFiltered(SearchRequest request, ClusterState state) {
        if (request.pointInTimeBuilder() != null) {
            Collection<AliasFilter> filters = SearchContextId.decode(namedWriteableRegistry, request.pointInTimeBuilder().getId()).aliasFilter().values();
            return filters.stream().anyMatch(filter -> filter.getQueryBuilder() != null);
        }
        Set<String> named = resolver.resolveExpressions(state, request.indices());
        return of(request, state).stream().anyMatch(index -> resolver.filteringAliases(state, index, named) != null);
    }
}
