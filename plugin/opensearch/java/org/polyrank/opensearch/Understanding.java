package org.polyrank.opensearch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A checked answer of /understand.
 *
 * @param language BCP 47, or null when the service did not say
 * @param translations language to text
 * @param translationDetails the translations as the service wrote them, for the response
 * @param modelQuery the text the models read
 * @param vector null when none was asked for or none came
 * @param embedder fingerprint of what made the vector; never null beside a vector
 * @param attributes what the query names beside the thing, when that was asked
 * @param expansions other words for what it says, when they were asked
 * @param readByEmbedder the share of the query that the embedder reads in `modelQuery`, 0 to 1; 1 when the service did not say
 * @param readByReranker the same of the reranker
 */
record Understanding(
    Map<String, Object> language,
    Map<String, String> translations,
    Map<String, Object> translationDetails,
    String modelQuery,
    float[] vector,
    String embedder,
    List<Attribute> attributes,
    List<Expansion> expansions,
    double readByEmbedder,
    double readByReranker
) {
    /** BCP 47, or null when the service did not say. */
    String languageCode() {
        return language != null && language.get("code") instanceof String code ? code : null;
    }

    /** The language of what the models read where that is the query as it was typed, else null: the service alone knows. */
    String languageRead(String query) {
        return modelQuery.equals(query) ? languageCode() : null;
    }

    /** Reads the answer; throws IllegalArgumentException, which says what is wrong with it. `schema`: fields that clauses may use. */
    static Understanding read(Map<String, Object> answer, String query, boolean vectorWanted, Map<String, String> schema) {
        Map<String, String> translations = new LinkedHashMap<>();
        Map<String, Object> details = new LinkedHashMap<>();
        Object given = answer.get("translations");
        if (given != null) {
            map("translations", given).forEach((language, value) -> {
                Object text = map("translations." + language, value).get("text");
                if (!(text instanceof String string)) throw new IllegalArgumentException("translations." + language + ".text is not a text");
                if (!string.isBlank()) translations.put(String.valueOf(language), string);
                details.put(String.valueOf(language), plain(map("translations." + language, value)));
            });
        }
        Object modelQuery = answer.getOrDefault("model_query", query);
        if (!(modelQuery instanceof String text)) throw new IllegalArgumentException("model_query is not a text");
        Object language = answer.get("language");
        float[] vector = vectorWanted ? vector(answer.get("vector")) : null;
        Object embedder = answer.get("embedder");
        if (vectorWanted && !(embedder instanceof String)) throw new IllegalArgumentException("embedder is not a text");
        return new Understanding(
            language == null ? null : plain(map("language", language)),
            translations,
            details,
            text.isBlank() ? query : text,
            vector,
            vectorWanted ? (String) embedder : null,
            items("attributes", answer).map(item -> Attribute.read(item, schema)).toList(),
            items("expansion", answer).map(Expansion::read).toList(),
            share("embedder", answer),
            share("reranker", answer)
        );
    }

    private static double share(String model, Map<String, Object> answer) {
        Object read = answer.get("read");
        Object value = read == null ? null : map("read", read).get(model);
        if (value == null) return 1;
        if (value instanceof Number share && share.doubleValue() >= 0 && share.doubleValue() <= 1) return share.doubleValue();
        throw new IllegalArgumentException("read." + model + " is not a number from 0 to 1");
    }

    /** The objects of a list that may be missing. */
    private static Stream<Map<?, ?>> items(String key, Map<String, Object> answer) {
        Object value = answer.get(key);
        if (value == null) return Stream.empty();
        if (!(value instanceof List<?> list)) throw new IllegalArgumentException(key + " is not a list");
        return list.stream().map(item -> map(key, item));
    }

    private static Map<?, ?> map(String key, Object value) {
        if (value instanceof Map<?, ?> map) return map;
        throw new IllegalArgumentException(key + " is not an object");
    }

    /** Texts and numbers alone: what goes into the response must survive the transport layer. */
    private static Map<String, Object> plain(Map<?, ?> map) {
        Map<String, Object> plain = new LinkedHashMap<>();
        map.forEach((key, value) -> {
            if (value instanceof String || value instanceof Boolean) plain.put(String.valueOf(key), value);
            else if (value instanceof Number number) plain.put(String.valueOf(key), number.doubleValue());
        });
        return plain;
    }

    private static float[] vector(Object value) {
        if (!(value instanceof List<?> list) || list.isEmpty()) throw new IllegalArgumentException("vector is not a list of numbers");
        float[] vector = new float[list.size()];
        double square = 0;
        for (int i = 0; i < vector.length; i++) {
            if (!(list.get(i) instanceof Number number)) throw new IllegalArgumentException("vector is not a list of numbers");
            vector[i] = number.floatValue();
            if (!Float.isFinite(vector[i])) throw new IllegalArgumentException("vector holds a number that is not finite");
            square += vector[i] * vector[i];
        }
        if (square == 0) throw new IllegalArgumentException("vector is all zeros");
        return vector;
    }
}
