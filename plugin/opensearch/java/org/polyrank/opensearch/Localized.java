package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.opensearch.common.xcontent.support.XContentMapValues;
import org.opensearch.search.SearchHit;

/**
 * Texts of a hit in the caller's language, from what the document has.
 *
 * @param fields name in the response to source paths in order of preference; {@link RetrieverConfig#LANGUAGE} stands for the language
 * @param translate whether what is in another language is translated on the way out, unless the request says otherwise
 */
record Localized(Map<String, List<String>> fields, boolean translate) {
    /** The last step of a path that names a language: `title.en`. */
    private static final Pattern IN_A_LANGUAGE = Pattern.compile("(.+)\\.([a-z]{2}(?:-[A-Za-z0-9]{2,8})*)");

    /** Reads the body of the response processor; both keys may be missing. */
    static Localized read(String tag, Map<String, Object> config) {
        ConfigReader reader = new ConfigReader(tag, "", config);
        ConfigReader given = reader.object("localized");
        Map<String, List<String>> fields = new LinkedHashMap<>();
        if (given != null) given.remaining().forEach((name, paths) -> fields.put(name, given.asStrings(name, paths)));
        boolean translate = reader.flag("translate", false);
        if (translate && fields.isEmpty()) throw reader.error("localized", "is missing: name what to translate, such as {\"title\": [\"title.{lang}\", \"title.en\"]}");
        return new Localized(fields, translate);
    }

    /** For each hit the first text of each name; `language` null: from the paths without a language alone. */
    List<List<LocalText>> of(SearchHit[] page, String language) {
        List<List<LocalText>> texts = new ArrayList<>();
        for (SearchHit hit : page) {
            List<LocalText> own = new ArrayList<>();
            if (hit.hasSource()) fields.forEach((name, templates) -> addFirst(name, templates, hit.getSourceAsMap(), language, own));
            texts.add(own);
        }
        return texts;
    }

    private static void addFirst(String name, List<String> templates, Map<String, Object> source, String language, List<LocalText> into) {
        for (String template : templates) {
            for (String path : paths(template, language)) {
                if (!(DocumentFields.read(source, Map.of(name, List.of(path))).get(name) instanceof String text)) continue;
                Matcher match = IN_A_LANGUAGE.matcher(path);
                boolean told = match.matches();
                into.add(new LocalText(name, text, told ? match.group(2) : null, told ? engine(source, match.group(1), match.group(2)) : null, null));
                return;
            }
        }
    }

    /** Also the language without its region: a reader of fr-CA is served by fr. */
    private static List<String> paths(String template, String language) {
        if (!template.contains(RetrieverConfig.LANGUAGE)) return List.of(template);
        if (language == null) return List.of();
        return List.of(template.replace(RetrieverConfig.LANGUAGE, language), template.replace(RetrieverConfig.LANGUAGE, language.split("-")[0]));
    }

    /** What translated the text when it was ingested, as `translations` says; null when it says nothing or the text was found so. */
    private static String engine(Map<String, Object> source, String field, String language) {
        Object made = XContentMapValues.extractValue("translations." + language + "." + field, source);
        boolean byMachine = made instanceof Map<?, ?> map && map.get("source_hash") != null;
        return byMachine && ((Map<?, ?>) made).get("engine") instanceof String engine ? engine : null;
    }
}
