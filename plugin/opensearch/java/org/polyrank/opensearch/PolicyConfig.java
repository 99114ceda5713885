package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.index.query.QueryBuilder;

/**
 * The shop's say in the order, as the pipeline body says.
 *
 * @param exclude what no search may find, or null
 * @param boosts which documents move forward or back
 * @param languageField keyword field with a document's language, or null
 * @param languages `query` for the query's own language, then others, in order of preference; empty: neutral
 * @param strict whether documents in other languages are left out; needs languages that are known before the query is understood
 * @param mmr diversity by vectors, or null
 * @param caps how many of one brand or seller a page may show
 * @param spread fields whose variety on the first page is told, besides those of caps
 * @param pins which documents come first for which query
 * @param personal how a profile in the request counts, or null: then profiles are refused
 */
record PolicyConfig(
    QueryBuilder exclude,
    List<Boost> boosts,
    String languageField,
    List<String> languages,
    boolean strict,
    Mmr mmr,
    List<Cap> caps,
    List<String> spread,
    Map<String, List<String>> pins,
    Personal personal
) {
    static final String QUERY_LANGUAGE = "query";

    /** Rank r counts as (rank constant + r) / factor - rank constant: above 1 forward, below 1 back. */
    record Boost(String name, QueryBuilder filter, double factor) {}

    /** At most `max` documents with one value of `field` among the first `per`. */
    record Cap(String field, int max, int per) {}

    /** Maximal marginal relevance over the first `depth`: `lambda` 1 is relevance alone. */
    record Mmr(String field, double lambda, int depth) {}

    /** Affinities to values of `fields`, to a price and to liked products' vectors, together worth a factor of up to 1 + strength. */
    record Personal(List<String> fields, String priceField, String vectorField, double strength) {}

    static PolicyConfig read(ConfigReader parent, int window, NamedXContentRegistry registry) {
        ConfigReader reader = parent.object("policy");
        if (reader == null) return null;
        QueryBuilder exclude = reader.query("exclude", registry);
        ConfigReader language = reader.object("language");
        String field = null;
        List<String> languages = List.of();
        boolean strict = false;
        if (language != null) {
            field = language.string("field", "language");
            languages = language.strings("prefer");
            strict = language.flag("strict", false);
            if (strict && languages.contains(QUERY_LANGUAGE)) {
                throw language.error("prefer", "holds [query], which strict does not allow: the search starts before the language is known");
            }
            language.finish();
        }
        PolicyConfig config = new PolicyConfig(
            exclude,
            boosts(reader, registry),
            field,
            languages,
            strict,
            mmr(reader, window),
            caps(reader, window),
            reader.strings("spread"),
            pins(reader),
            personal(reader)
        );
        reader.finish();
        return config;
    }

    private static List<Boost> boosts(ConfigReader reader, NamedXContentRegistry registry) {
        List<Boost> boosts = new ArrayList<>();
        for (ConfigReader entry : reader.objects("boosts")) {
            QueryBuilder filter = entry.query("filter", registry);
            if (filter == null) throw entry.error("filter", "is missing: write a query, such as {\"term\": {\"in_stock\": true}}");
            boosts.add(new Boost(entry.string("name", "boost " + boosts.size()), filter, entry.number("factor", 1.2, 0.001, 1000)));
            entry.finish();
        }
        return boosts;
    }

    private static List<Cap> caps(ConfigReader reader, int window) {
        List<Cap> caps = new ArrayList<>();
        for (ConfigReader entry : reader.objects("caps")) {
            String field = entry.string("field", null);
            if (field == null) throw entry.error("field", "is missing: name a field, such as brand");
            caps.add(new Cap(field, entry.integer("max", 3, 1, window), entry.integer("per", 10, 1, window)));
            entry.finish();
        }
        return caps;
    }

    private static Mmr mmr(ConfigReader parent, int window) {
        ConfigReader reader = parent.object("diversity");
        if (reader == null) return null;
        Mmr mmr = new Mmr(reader.string("field", "embedding"), reader.number("lambda", 0.8, 0, 1), reader.integer("depth", Math.min(30, window), 1, window));
        reader.finish();
        return mmr;
    }

    private static Map<String, List<String>> pins(ConfigReader reader) {
        Map<String, List<String>> pins = new LinkedHashMap<>();
        for (ConfigReader entry : reader.objects("pins")) {
            String query = entry.string("query", null);
            List<String> ids = entry.strings("ids");
            if (query == null || ids.isEmpty()) throw entry.error("query", "and ids are needed: write {\"query\": \"lamp\", \"ids\": [\"12\"]}");
            pins.put(normalized(query), ids);
            entry.finish();
        }
        return pins;
    }

    private static Personal personal(ConfigReader parent) {
        ConfigReader reader = parent.object("personal");
        if (reader == null) return null;
        Personal personal = new Personal(
            reader.strings("fields"),
            reader.string("price_field", null),
            reader.string("vector_field", null),
            reader.number("strength", 0.3, 0, 10)
        );
        reader.finish();
        return personal;
    }

    private static String normalized(String query) {
        return query.strip().replaceAll("\\s+", " ").toLowerCase(java.util.Locale.ROOT);
    }

    List<String> pinned(String query) {
        return pins.getOrDefault(normalized(query), List.of());
    }

    /** The fields whose variety is told, each once. */
    Set<String> toldFields() {
        Set<String> fields = new LinkedHashSet<>();
        caps.forEach(cap -> fields.add(cap.field()));
        fields.addAll(spread);
        return fields;
    }

    /** The source paths that it reads of each document. */
    List<String> sourcePaths() {
        TreeSet<String> paths = new TreeSet<>();
        if (!languages.isEmpty()) paths.add(languageField);
        if (mmr != null) paths.add(mmr.field());
        paths.addAll(toldFields());
        if (personal != null) {
            paths.addAll(personal.fields());
            if (personal.priceField() != null) paths.add(personal.priceField());
            if (personal.vectorField() != null) paths.add(personal.vectorField());
        }
        return List.copyOf(paths);
    }
}
