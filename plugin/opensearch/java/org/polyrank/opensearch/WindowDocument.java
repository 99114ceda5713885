package org.polyrank.opensearch;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.opensearch.common.xcontent.support.XContentMapValues;
import org.opensearch.search.SearchHit;

/**
 * What was read of a document of the window.
 *
 * @param id null when the document is gone since it was found
 * @param source the wanted paths of its source
 * @param rules names of the policy's filters that it meets
 */
record WindowDocument(String id, Map<String, Object> source, Set<String> rules) {
    static final WindowDocument GONE = new WindowDocument(null, Map.of(), Set.of());

    static WindowDocument of(SearchHit hit) {
        return new WindowDocument(hit.getId(), hit.hasSource() ? hit.getSourceAsMap() : Map.of(), Set.of(hit.getMatchedQueries()));
    }

    boolean isOneOf(List<String> ids) {
        return id != null && ids.contains(id); // a list that cannot hold null does not look for it either
    }

    /** The values of a path, as texts. */
    List<String> values(String path) {
        return switch (XContentMapValues.extractValue(path, source)) {
            case null -> List.of();
            case List<?> list -> list.stream().map(String::valueOf).toList();
            case Object value -> List.of(String.valueOf(value));
        };
    }

    /** The number at a path; NaN when there is none. */
    double number(String path) {
        return XContentMapValues.extractValue(path, source) instanceof Number number ? number.doubleValue() : Double.NaN;
    }

    /** The vector at a path scaled to length 1; null when there is none. */
    double[] vector(String path) {
        if (!(XContentMapValues.extractValue(path, source) instanceof List<?> list) || list.isEmpty()) return null;
        double[] vector = new double[list.size()];
        for (int i = 0; i < vector.length; i++) {
            if (!(list.get(i) instanceof Number number)) return null;
            vector[i] = number.doubleValue();
        }
        return Vectors.unit(vector);
    }
}
