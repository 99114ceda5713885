package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.cluster.ClusterState;
import org.opensearch.cluster.metadata.IndexMetadata;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.xcontent.support.XContentMapValues;
import org.opensearch.index.query.QueryBuilder;

/** Decides which of the searched indices hold vectors that this query's vector may be compared with. */
final class VectorFields {
    /** What an index's mapping says about one vector field; `fingerprint` null when `_meta` does not name one, dimension 0 likewise. */
    private record Field(String fingerprint, int dimension) {}

    /** The fields looked at so far, and the names of those that `_meta` declares. */
    private record Declared(Map<String, Field> fields, Set<String> names) {}

    /**
     * @param indices those to search, empty when there is none
     * @param all whether that is every index of the request
     * @param refused why an index is left out, in words
     * @param filter what the filters of the search's aliases leave of them; null when that is all
     */
    record Eligible(List<String> indices, boolean all, List<String> refused, QueryBuilder filter) {}

    private final ClusterService clusterService;
    private final SearchedIndices searched;
    private final PerMapping<Declared> declared = new PerMapping<>(
        index -> new Declared(new ConcurrentHashMap<>(), vectors(mapping(index)).keySet())
    );

    VectorFields(ClusterService clusterService, SearchedIndices searched) {
        this.clusterService = clusterService;
        this.searched = searched;
    }

    /** Compares fingerprint and dimension of the query's vector with each index's mapping; throws what the resolver throws on an unknown index. */
    Eligible eligible(SearchRequest request, String field, String embedder, int dimension) {
        ClusterState state = clusterService.state();
        List<String> indices = new ArrayList<>();
        List<String> refused = new ArrayList<>();
        for (String name : searched.of(request, state)) {
            IndexMetadata index = state.metadata().index(name);
            String problem = index == null ? "index " + name + " is gone" : problem(index, field, embedder, dimension);
            if (problem == null) indices.add(name);
            else refused.add(problem);
        }
        return new Eligible(indices, refused.isEmpty(), refused, searched.filter(request, state, indices));
    }

    /** The vector fields that the mappings of the searched indices declare for us; throws what the resolver throws on an unknown index. */
    Set<String> declared(SearchRequest request) {
        ClusterState state = clusterService.state();
        Set<String> names = new TreeSet<>();
        for (String name : searched.of(request, state)) {
            IndexMetadata index = state.metadata().index(name);
            if (index != null) names.addAll(declared.of(index).names());
        }
        return names;
    }

    /** What made the vectors of a field, where all searched indices that name it agree; else null. Throws as {@link #declared}. */
    String embedder(SearchRequest request, String field) {
        ClusterState state = clusterService.state();
        Set<String> named = new TreeSet<>();
        for (String name : searched.of(request, state)) {
            IndexMetadata index = state.metadata().index(name);
            Field found = index == null ? null : declared.of(index).fields().computeIfAbsent(field, f -> read(index, f));
            if (found != null && found.fingerprint() != null) named.add(found.fingerprint());
        }
        return named.size() == 1 ? named.iterator().next() : null;
    }

    private String problem(IndexMetadata index, String field, String embedder, int dimension) {
        String name = index.getIndex().getName();
        Field found = declared.of(index).fields().computeIfAbsent(field, f -> read(index, f));
        if (found.dimension() < 0) return "no vector field [" + field + "] in index " + name;
        if (found.fingerprint() == null) {
            return "embedder unknown: index " + name + " has no _meta.polyrank.vectors." + field + ".fingerprint";
        }
        if (!found.fingerprint().equals(embedder)) {
            return "embedder mismatch: index " + name + " was embedded by " + found.fingerprint() + ", the query by " + embedder;
        }
        if (found.dimension() > 0 && found.dimension() != dimension) {
            return "vector has " + dimension + " dimensions, field [" + field + "] of index " + name + " has " + found.dimension();
        }
        return null;
    }

    private static Field read(IndexMetadata index, String field) {
        Map<String, Object> mapping = mapping(index);
        Object properties = XContentMapValues.extractValue("properties." + field.replace(".", ".properties."), mapping);
        if (!(properties instanceof Map<?, ?> declared) || !"knn_vector".equals(declared.get("type"))) return new Field(null, -1);
        Object meta = vectors(mapping).get(field);
        Object fingerprint = meta instanceof Map<?, ?> map ? map.get("fingerprint") : null;
        Object dimension = declared.get("dimension");
        return new Field(fingerprint instanceof String text ? text : null, dimension instanceof Number number ? number.intValue() : 0);
    }

    private static Map<String, Object> mapping(IndexMetadata index) {
        return index.mapping() == null ? Map.of() : index.mapping().sourceAsMap();
    }

    private static Map<String, Object> vectors(Map<String, Object> mapping) {
        Map<String, Object> named = new HashMap<>();
        if (XContentMapValues.extractValue("_meta.polyrank.vectors", mapping) instanceof Map<?, ?> map) {
            map.forEach((name, meta) -> named.put(String.valueOf(name), meta));
        }
        return named;
    }
}
