package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.cluster.ClusterState;
import org.opensearch.cluster.metadata.AliasMetadata;
import org.opensearch.cluster.metadata.IndexAbstraction;
import org.opensearch.cluster.metadata.IndexMetadata;

/**
 * Holds a search to the indices its aliases point at when it begins. Its sub-searches and its last search resolve names one after the other: when an
 * alias moves to another index meanwhile, candidates of the old one would make an empty page of the new one.
 */
final class PinnedIndices {
    private PinnedIndices() {}

    /** Replaces aliases by their indices; an alias with a filter or a routing stays, because it says more than its indices do. */
    static void pin(SearchRequest request, ClusterState state) {
        if (request.indices() == null || request.indicesOptions().ignoreAliases()) return;
        Map<String, IndexAbstraction> lookup = state.metadata().getIndicesLookup();
        List<String> pinned = new ArrayList<>();
        for (String name : request.indices()) {
            IndexAbstraction found = lookup.get(name);
            if (found == null || found.getType() != IndexAbstraction.Type.ALIAS) {
                pinned.add(name);
                continue;
            }
            for (IndexMetadata index : found.getIndices()) {
                if (narrows(index.getAliases().get(name))) return;
                pinned.add(index.getIndex().getName());
            }
        }
        request.indices(pinned.toArray(String[]::new));
    }

    private static boolean narrows(AliasMetadata alias) {
        return alias == null || alias.filteringRequired() || alias.searchRouting() != null;
    }
}
