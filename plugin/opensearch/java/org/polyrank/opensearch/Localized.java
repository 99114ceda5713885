package org.polyrank.opensearch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.opensearch.search.SearchHit;

/**
 * Texts of a hit in the caller's language, from what the document has.
 *
 * @param fields name in the response to source paths in order of preference; {@link RetrieverConfig#LANGUAGE} stands for the language
 */
record Localized(Map<String, List<String>> fields) {
    /** Reads the key `localized` of the response processor, which may be missing. */
    static Localized read(String tag, Map<String, Object> config) {
        ConfigReader reader = new ConfigReader(tag, "", config);
        ConfigReader given = reader.object("localized");
        Map<String, List<String>> fields = new LinkedHashMap<>();
        if (given != null) given.remaining().forEach((name, paths) -> fields.put(name, given.asStrings(name, paths)));
        return new Localized(fields);
    }

    /** Adds `localized` to each hit of the section that has any of the paths; `language` null: the paths without a language alone. */
    @SuppressWarnings("unchecked") // the section's hits are maps of ours
    void addTo(Map<String, Object> section, SearchHit[] page, String language) {
        if (fields.isEmpty()) return;
        List<Object> hits = (List<Object>) section.get("hits");
        for (int i = 0; i < hits.size(); i++) {
            if (!page[i].hasSource()) continue;
            Map<String, Object> texts = DocumentFields.read(page[i].getSourceAsMap(), in(language));
            if (!texts.isEmpty()) ((Map<String, Object>) hits.get(i)).put("localized", texts);
        }
    }

    /** Also the language without its region: a reader of fr-CA is served by fr. */
    private Map<String, List<String>> in(String language) {
        Map<String, List<String>> paths = new LinkedHashMap<>();
        fields.forEach((name, templates) -> paths.put(name, templates.stream().flatMap(template -> {
            if (!template.contains(RetrieverConfig.LANGUAGE)) return Stream.of(template);
            if (language == null) return Stream.empty();
            return Stream.of(language, language.split("-")[0]).map(code -> template.replace(RetrieverConfig.LANGUAGE, code));
        }).toList()));
        return paths;
    }
}
