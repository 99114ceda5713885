package org.polyrank.opensearch;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.cluster.ClusterState;
import org.opensearch.cluster.metadata.IndexMetadata;
import org.opensearch.cluster.service.ClusterService;

/** What fields the searched indices have, for attributes of a query that become clauses. Read once per version of a mapping. */
final class Schemas {
    static final Set<String> NUMBERS = Set.of("byte", "short", "integer", "long", "float", "half_float", "double", "scaled_float");
    static final String FLAT_OBJECT = "flat_object";
    private static final Set<String> OTHERS = Set.of("keyword", "text", FLAT_OBJECT);
    /** As many as the service takes; the shortest paths, which name what all products have. */
    private static final int MAX_FIELDS = 2_000;

    private final ClusterService clusterService;
    private final SearchedIndices searched;
    private final PerMapping<Map<String, String>> fields = new PerMapping<>(Schemas::read);

    Schemas(ClusterService clusterService, SearchedIndices searched) {
        this.clusterService = clusterService;
        this.searched = searched;
    }

    /**
     * Field to type, for fields that every searched index has with one type: a filter on a field of one index alone would hide the others.
     * Throws what the resolver throws on an unknown index.
     */
    Map<String, String> of(SearchRequest request) {
        ClusterState state = clusterService.state();
        Map<String, String> shared = null;
        for (String name : searched.of(request, state)) {
            IndexMetadata index = state.metadata().index(name);
            if (index == null) continue;
            Map<String, String> own = fields.of(index);
            if (shared == null) shared = own;
            else if (shared != own) {
                shared = new TreeMap<>(shared);
                shared.entrySet().retainAll(own.entrySet());
            }
        }
        return shared == null ? Map.of() : shared;
    }

    /** Whether the search's caller may see only a part of the indices; also when that cannot be told. */
    boolean areFiltered(SearchRequest request) {
        try {
            return searched.areFiltered(request, clusterService.state());
        } catch (RuntimeException e) { // the indices cannot be resolved: the lexical search says so to the caller
            return true;
        }
    }

    /** The type of a field; a path below a `flat_object` is one. Null when the schema does not have it. */
    static String type(Map<String, String> schema, String field) {
        String type = schema.get(field);
        for (int dot = field.lastIndexOf('.'); type == null && dot > 0; dot = field.lastIndexOf('.', dot - 1)) {
            if (FLAT_OBJECT.equals(schema.get(field.substring(0, dot)))) type = FLAT_OBJECT;
        }
        return type;
    }

    private static Map<String, String> read(IndexMetadata index) {
        Map<String, String> fields = new HashMap<>();
        if (index.mapping() != null) collect("", index.mapping().sourceAsMap().get("properties"), fields);
        if (fields.size() <= MAX_FIELDS) return Map.copyOf(fields);
        List<String> shortest = fields.keySet().stream().sorted(Comparator.comparingInt(String::length).thenComparing(Comparator.naturalOrder())).toList();
        fields.keySet().retainAll(Set.copyOf(shortest.subList(0, MAX_FIELDS)));
        return Map.copyOf(fields);
    }

    /** Nested objects are left out: their fields are not the document's. */
    private static void collect(String prefix, Object properties, Map<String, String> into) {
        if (!(properties instanceof Map<?, ?> children)) return;
        children.forEach((name, value) -> {
            if (!(value instanceof Map<?, ?> field) || "nested".equals(field.get("type"))) return;
            String path = prefix + name;
            Object type = field.get("type");
            boolean indexed = !Boolean.FALSE.equals(field.get("index"));
            if (indexed && type instanceof String kind && (NUMBERS.contains(kind) || OTHERS.contains(kind))) into.put(path, kind);
            collect(path + ".", field.get("properties"), into);
            collect(path + ".", field.get("fields"), into);
        });
    }
}
