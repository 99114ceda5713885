package org.polyrank.opensearch;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Another word for what the query says.
 *
 * @param of the words of the query that it stands for
 * @param source `synonyms` or `catalogue`
 * @param weight how much it counts beside the query's own words
 */
record Expansion(String text, String of, String language, String source, double weight) {
    static Expansion read(Map<?, ?> item) {
        if (!(item.get("text") instanceof String text) || text.isBlank()) throw new IllegalArgumentException("expansion.text is not a text");
        if (!(item.get("language") instanceof String language)) throw new IllegalArgumentException("expansion.language is not a text");
        if (!(item.get("weight") instanceof Number weight) || !(weight.doubleValue() >= 0) || !Double.isFinite(weight.doubleValue())) {
            throw new IllegalArgumentException("expansion.weight is not a number from 0 up");
        }
        return new Expansion(text, String.valueOf(item.get("of")), language, String.valueOf(item.get("source")), weight.doubleValue());
    }

    /** What the response says of it. */
    Map<String, Object> told() {
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("kind", "expansion");
        told.put("text", text);
        told.put("of", of);
        told.put("language", language);
        told.put("source", source);
        told.put("weight", weight);
        return told;
    }
}
