package org.polyrank.opensearch;

import java.util.List;

/**
 * Queries of some languages or of some shapes, for which something was measured, as `plugin tune` writes it.
 *
 * @param languages of the query, as the service detects them
 * @param classes as {@link QueryClass} names them
 */
record QueryGroups(List<String> languages, List<String> classes) {
    static final QueryGroups NONE = new QueryGroups(List.of(), List.of());

    /** Reads the keys `languages` and `classes` of an object that may have others. */
    static QueryGroups read(ConfigReader reader) {
        QueryGroups groups = new QueryGroups(reader.strings("languages"), reader.strings("classes"));
        for (String name : groups.classes()) {
            if (!QueryClass.NAMES.contains(name)) throw reader.error("classes", "holds [" + name + "]: write some of " + QueryClass.NAMES);
        }
        return groups;
    }

    /** Why a query is one of these, or null. */
    String reason(String language, String queryClass) {
        if (language != null && languages.contains(language)) return "language " + language;
        return classes.contains(queryClass) ? "query class " + queryClass : null;
    }
}
