package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.opensearch.common.xcontent.support.XContentMapValues;

/** Turns a document's source into what the cross-encoder's template reads. */
final class DocumentFields {
    private DocumentFields() {}

    /** For each name the first path that holds text; a name without any is left out. */
    static Map<String, Object> read(Map<String, Object> source, Map<String, List<String>> documentFields) {
        Map<String, Object> document = new LinkedHashMap<>();
        documentFields.forEach((name, paths) -> {
            for (String path : paths) {
                String text = text(XContentMapValues.extractValue(path, source));
                if (text.isEmpty()) continue;
                document.put(name, text);
                break;
            }
        });
        return document;
    }

    /** Texts, numbers and lists of them; objects hold no text of their own. */
    private static String text(Object value) {
        if (value instanceof String string) return string.strip();
        if (value instanceof Number || value instanceof Boolean) return String.valueOf(value);
        if (!(value instanceof List<?> list)) return "";
        List<String> texts = new ArrayList<>();
        for (Object item : list) {
            String text = text(item);
            if (!text.isEmpty()) texts.add(text);
        }
        return String.join(", ", texts);
    }
}
