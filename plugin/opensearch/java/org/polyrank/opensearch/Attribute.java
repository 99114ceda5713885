package org.polyrank.opensearch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.opensearch.index.query.QueryBuilder;

/**
 * Something that the query names beside the thing, as the service recognised it.
 *
 * @param told what the response says of it: name, text, value, confidence and field
 * @param text the words of the query
 * @param confidence 0 to 1
 * @param condition whether shoppers mean it as one
 * @param clause null when nothing can be done with it
 * @param reason why nothing can be done with it, or null
 */
record Attribute(Map<String, Object> told, String text, double confidence, boolean condition, QueryBuilder clause, String reason) {
    private static final List<String> TOLD = List.of("name", "text", "value", "confidence", "field");

    /** Reads one item of the answer's `attributes`; throws IllegalArgumentException on a wrong shape. A clause that does not pass is left. */
    static Attribute read(Map<?, ?> item, Map<String, String> schema) {
        if (!(item.get("text") instanceof String text)) throw new IllegalArgumentException("attributes.text is not a text");
        if (!(item.get("confidence") instanceof Number confidence)) throw new IllegalArgumentException("attributes.confidence is not a number");
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("kind", "attribute");
        for (String key : TOLD) if (item.get(key) instanceof String || item.get(key) instanceof Number) told.put(key, item.get(key));
        boolean ignored = !(item.get("use") instanceof String use) || !List.of("filter", "boost").contains(use);
        if (ignored) {
            String reason = item.get("reason") instanceof String said ? said : "the service proposes nothing";
            return new Attribute(told, text, confidence.doubleValue(), false, null, reason);
        }
        try {
            QueryBuilder clause = new AttributeClause(schema).read(item.get("clause"));
            return new Attribute(told, text, confidence.doubleValue(), "filter".equals(item.get("use")), clause, null);
        } catch (IllegalArgumentException e) {
            return new Attribute(told, text, confidence.doubleValue(), false, null, "its clause cannot be used: " + e.getMessage());
        }
    }
}
