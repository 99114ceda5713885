package org.polyrank.opensearch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.opensearch.common.xcontent.XContentFactory;
import org.opensearch.common.xcontent.XContentType;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.DeprecationHandler;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.index.query.AbstractQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.ingest.ConfigurationUtils;

/**
 * Reads one JSON object of a pipeline body, key by key. Every error names the whole key, what is wrong and what to write;
 * {@link #finish} rejects the keys that nobody read.
 */
final class ConfigReader {
    private final String tag;
    private final String path;
    private final Map<String, Object> config;
    private final TreeSet<String> known = new TreeSet<>();

    ConfigReader(String tag, String path, Map<String, Object> config) {
        this.tag = tag;
        this.path = path;
        this.config = config;
    }

    /** A reader for a copy of a nested object. */
    @SuppressWarnings("unchecked")
    ConfigReader nested(String key, Object value) {
        String nestedPath = path.isEmpty() ? key : path + "." + key;
        if (!(value instanceof Map<?, ?> map)) throw error(key, "must be a JSON object");
        return new ConfigReader(tag, nestedPath, new LinkedHashMap<>((Map<String, Object>) map));
    }

    RuntimeException error(String key, String what) {
        String full = path.isEmpty() ? key : path + "." + key;
        return ConfigurationUtils.newConfigurationException(HybridRerankProcessor.TYPE, tag, full, what);
    }

    Object take(String key) {
        known.add(key);
        return config.remove(key);
    }

    /** Whether the key is there; it is then known, and must be read. */
    boolean has(String key) {
        known.add(key);
        return config.containsKey(key);
    }

    ConfigReader object(String key) {
        Object value = take(key);
        return value == null ? null : nested(key, value);
    }

    String string(String key, String fallback) {
        Object value = take(key);
        if (value == null) return fallback;
        if (value instanceof String text && !text.isBlank()) return text;
        throw error(key, "must be a text that is not empty");
    }

    String oneOf(String key, String fallback, List<String> choices) {
        String value = string(key, fallback);
        if (choices.contains(value)) return value;
        throw error(key, "is [" + value + "]: write one of " + choices);
    }

    int integer(String key, int fallback, int min, int max) {
        Object value = take(key);
        if (value == null) return fallback;
        boolean whole = value instanceof Integer || value instanceof Long;
        if (whole && ((Number) value).longValue() >= min && ((Number) value).longValue() <= max) return ((Number) value).intValue();
        throw error(key, "is [" + value + "]: write a whole number from " + min + " to " + max);
    }

    double number(String key, double fallback, double min, double max) {
        Object value = take(key);
        if (value == null) return fallback;
        if (value instanceof Number number && number.doubleValue() >= min && number.doubleValue() <= max) return number.doubleValue();
        throw error(key, "is [" + value + "]: write a number from " + min + " to " + max);
    }

    boolean flag(String key, boolean fallback) {
        Object value = take(key);
        if (value == null) return fallback;
        if (value instanceof Boolean flag) return flag;
        throw error(key, "is [" + value + "]: write true or false");
    }

    /** A query in OpenSearch's own language, or null. */
    QueryBuilder query(String key, NamedXContentRegistry registry) {
        Object value = take(key);
        if (value == null) return null;
        if (!(value instanceof Map<?, ?> map)) throw error(key, "must be a query, such as {\"term\": {\"in_stock\": true}}");
        try (
            XContentBuilder json = XContentFactory.jsonBuilder().map(asNamed(map));
            XContentParser parser = XContentType.JSON.xContent()
                .createParser(registry, DeprecationHandler.IGNORE_DEPRECATIONS, BytesReference.toBytes(BytesReference.bytes(json)))
        ) {
            return AbstractQueryBuilder.parseInnerQueryBuilder(parser);
        } catch (IOException | RuntimeException e) {
            throw error(key, "is not a query: " + e.getMessage());
        }
    }

    @SuppressWarnings("unchecked") // a JSON object's keys are texts
    private static Map<String, ?> asNamed(Map<?, ?> map) {
        return (Map<String, ?>) map;
    }

    List<String> strings(String key) {
        Object value = take(key);
        return value == null ? List.of() : asStrings(key, value);
    }

    List<String> asStrings(String key, Object value) {
        if (!(value instanceof List<?> list) || list.isEmpty()) throw error(key, "must be a list of texts, such as [\"title.en\"]");
        List<String> texts = new ArrayList<>();
        for (Object item : list) {
            if (!(item instanceof String text) || text.isBlank()) throw error(key, "holds [" + item + "]: every entry must be a text that is not empty");
            texts.add(text);
        }
        return List.copyOf(texts);
    }

    /** Readers of a list's objects; empty when there is none. */
    List<ConfigReader> objects(String key) {
        List<?> items = list(key);
        List<ConfigReader> readers = new ArrayList<>();
        if (items != null) for (int i = 0; i < items.size(); i++) readers.add(nested(key + "[" + i + "]", items.get(i)));
        return readers;
    }

    List<?> list(String key) {
        Object value = take(key);
        if (value == null) return null;
        if (value instanceof List<?> list) return list;
        throw error(key, "must be a list");
    }

    /** The keys that are left, for objects whose keys are names. */
    Map<String, Object> remaining() {
        Map<String, Object> rest = new LinkedHashMap<>(config);
        config.clear();
        return rest;
    }

    void finish() {
        if (config.isEmpty()) return;
        String unknown = config.keySet().iterator().next();
        throw error(unknown, "is unknown here: known keys are " + known);
    }
}
