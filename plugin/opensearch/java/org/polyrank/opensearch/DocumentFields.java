package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.opensearch.common.xcontent.support.XContentMapValues;

/**
 * Turns a document's source into what the cross-encoder's template reads. A service refuses a call for one text that is none or too long,
 * and with it all documents; so whatever the index holds, what is sent is text of a length that models read at most.
 */
final class DocumentFields {
    private static final int MOST_CHARACTERS = 8_000;

    private DocumentFields() {}

    /** For each name the first path that holds text; a name without any is left out. */
    static Map<String, Object> read(Map<String, Object> source, Map<String, List<String>> documentFields) {
        Map<String, Object> document = new LinkedHashMap<>();
        documentFields.forEach((name, paths) -> {
            for (String path : paths) {
                String text = text(XContentMapValues.extractValue(path, source));
                if (text.isEmpty()) continue;
                document.put(name, readable(text));
                break;
            }
        });
        return document;
    }

    /** The beginning of the text, without NUL and halves of surrogate pairs. */
    private static String readable(String text) {
        int end = Math.min(text.length(), MOST_CHARACTERS);
        if (end < text.length() && Character.isHighSurrogate(text.charAt(end - 1))) end--;
        StringBuilder clean = null;
        for (int i = 0; i < end; i++) {
            char unit = text.charAt(i);
            boolean pair = Character.isHighSurrogate(unit) && i + 1 < end && Character.isLowSurrogate(text.charAt(i + 1));
            if (pair) i++;
            else if (unit == 0 || Character.isSurrogate(unit)) {
                if (clean == null) clean = new StringBuilder(text.substring(0, end));
                clean.setCharAt(i, unit == 0 ? ' ' : '\uFFFD');
            }
        }
        return clean == null ? text.substring(0, end) : clean.toString();
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
