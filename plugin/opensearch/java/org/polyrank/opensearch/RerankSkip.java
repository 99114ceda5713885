package org.polyrank.opensearch;

import java.util.List;

/**
 * For which queries reranking was measured not to help, as `plugin tune` writes it.
 *
 * @param languages of the query, as the service detects them
 * @param classes as {@link QueryClass} names them
 */
record RerankSkip(List<String> languages, List<String> classes) {
    static RerankSkip read(ConfigReader parent) {
        ConfigReader reader = parent.object("skip");
        if (reader == null) return new RerankSkip(List.of(), List.of());
        RerankSkip skip = new RerankSkip(reader.strings("languages"), reader.strings("classes"));
        for (String name : skip.classes()) {
            if (!QueryClass.NAMES.contains(name)) throw reader.error("classes", "holds [" + name + "]: write some of " + QueryClass.NAMES);
        }
        reader.finish();
        return skip;
    }

    /** Why this query is not reranked, or null. */
    String reason(String language, String queryClass) {
        if (language != null && languages.contains(language)) return "language " + language;
        return classes.contains(queryClass) ? "query class " + queryClass : null;
    }
}
