package org.polyrank.opensearch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A text of a hit as its reader gets it.
 *
 * @param name its key in the response
 * @param language BCP 47; null when its path does not say
 * @param engine what translated it; null when nobody says that a machine did
 * @param from what it was translated from on the way out; null when it came with the document
 */
record LocalText(String name, String text, String language, String engine, String from) {
    /** The same, translated. */
    LocalText in(String target, String translation, String by) {
        return new LocalText(name, translation, target, by, language);
    }

    /** Adds the texts of one hit to its part of the response: `localized`, and `translated` for what a machine has made. */
    static void addTo(Map<String, Object> hit, List<LocalText> texts) {
        if (texts.isEmpty()) return;
        Map<String, Object> localized = new LinkedHashMap<>();
        Map<String, Object> translated = new LinkedHashMap<>();
        for (LocalText text : texts) {
            localized.put(text.name(), text.text());
            if (text.engine() == null) continue;
            Map<String, Object> made = new LinkedHashMap<>();
            made.put("engine", text.engine());
            if (text.from() != null) made.put("from", text.from());
            translated.put(text.name(), made);
        }
        hit.put("localized", localized);
        if (!translated.isEmpty()) hit.put("translated", translated);
    }
}
