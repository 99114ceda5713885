package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The body of `hybrid_rerank`, checked. docs/pipeline.md explains every key.
 *
 * @param vocabulary name of the catalogue statistics that choose among translations, or null
 * @param rerank null when the pipeline does not rerank
 */
record PipelineConfig(
    List<String> languages,
    String vocabulary,
    List<RetrieverConfig> retrievers,
    int window,
    Fusion.Technique technique,
    int rankConstant,
    RerankConfig rerank,
    int deadlineMs
) {
    static final int MAX_WINDOW = 1_000;
    static final int MAX_DEADLINE_MS = 60_000;
    private static final double MAX_WEIGHT = 1_000;
    private static final Pattern FIELD = Pattern.compile("[^^]+(\\^\\d+(\\.\\d+)?)?");

    /** Reads and empties `config`; throws a configuration error that names the key. */
    static PipelineConfig read(String tag, Map<String, Object> config) {
        ConfigReader reader = new ConfigReader(tag, "", config);
        List<String> languages = reader.strings("languages");
        String vocabulary = reader.string("vocabulary", null);
        int window = reader.integer("window", 100, 1, MAX_WINDOW);
        int deadlineMs = reader.integer("deadline_ms", 500, 1, MAX_DEADLINE_MS);
        List<RetrieverConfig> retrievers = retrievers(reader, window, languages);
        Fusion.Technique technique = Fusion.Technique.RRF;
        int rankConstant = Fusion.DEFAULT_RANK_CONSTANT;
        ConfigReader combination = reader.object("combination");
        if (combination != null) {
            technique = Fusion.Technique.valueOf(combination.oneOf("technique", "rrf", List.of("rrf", "min_max")).toUpperCase(Locale.ROOT));
            rankConstant = combination.integer("rank_constant", rankConstant, 1, 10_000);
            combination.finish();
        }
        RerankConfig rerank = rerank(reader, window);
        reader.finish();
        return new PipelineConfig(languages, vocabulary, retrievers, window, technique, rankConstant, rerank, deadlineMs);
    }

    private static List<RetrieverConfig> retrievers(ConfigReader reader, int window, List<String> languages) {
        List<?> list = reader.list("retrievers");
        if (list == null) throw reader.error("retrievers", "is missing: write [{\"lexical\": {}}, {\"knn\": {\"field\": \"embedding\"}}]");
        List<RetrieverConfig> retrievers = new ArrayList<>();
        Set<String> keys = new HashSet<>();
        for (int i = 0; i < list.size(); i++) {
            String key = "retrievers[" + i + "]";
            ConfigReader entry = reader.nested(key, list.get(i));
            RetrieverConfig retriever = retriever(entry, reader, key, window, languages);
            entry.finish();
            if (!keys.add(retriever.key())) throw reader.error(key, "repeats [" + retriever.key() + "]: name each retriever once");
            retrievers.add(retriever);
        }
        if (retrievers.stream().allMatch(r -> r.weight() == 0)) throw reader.error("retrievers", "all have weight 0: give one of them a weight");
        return List.copyOf(retrievers);
    }

    private static RetrieverConfig retriever(ConfigReader entry, ConfigReader parent, String key, int window, List<String> languages) {
        ConfigReader lexical = entry.object(RetrieverConfig.Lexical.NAME);
        ConfigReader translated = entry.object(RetrieverConfig.Translated.NAME);
        ConfigReader knn = entry.object(RetrieverConfig.Knn.NAME);
        entry.finish();
        if (Stream.of(lexical, translated, knn).filter(Objects::nonNull).count() != 1) {
            throw parent.error(key, "must hold exactly one of lexical, translated, knn");
        }
        if (translated != null && languages.isEmpty()) {
            throw parent.error("languages", "is missing: name the languages to translate into, such as [\"en\", \"de\"]");
        }
        ConfigReader body = lexical != null ? lexical : translated != null ? translated : knn;
        RetrieverConfig config = lexical != null ? new RetrieverConfig.Lexical(weight(body))
            : translated != null ? translated(body)
            : knn(body, window);
        body.finish();
        return config;
    }

    private static RetrieverConfig translated(ConfigReader reader) {
        List<String> fields = reader.strings("fields");
        if (fields.isEmpty()) throw reader.error("fields", "is missing: write [\"title.{lang}^2\", \"text.{lang}\"]");
        for (String field : fields) {
            if (!FIELD.matcher(field).matches()) throw reader.error("fields", "holds [" + field + "]: write a name, or a name and a boost such as title^2");
        }
        return new RetrieverConfig.Translated(
            weight(reader),
            fields,
            reader.oneOf("type", "best_fields", List.of("best_fields", "most_fields", "cross_fields")),
            reader.string("minimum_should_match", null)
        );
    }

    private static RetrieverConfig knn(ConfigReader reader, int window) {
        String field = reader.string("field", null);
        if (field == null) throw reader.error("field", "is missing: name the vector field, such as embedding");
        return new RetrieverConfig.Knn(weight(reader), field, reader.integer("k", window, 1, 10_000));
    }

    private static double weight(ConfigReader reader) {
        return reader.number("weight", 1.0, 0.0, MAX_WEIGHT);
    }

    private static RerankConfig rerank(ConfigReader parent, int window) {
        ConfigReader reader = parent.object("rerank");
        if (reader == null) return null;
        int rerankWindow = reader.integer("window", Math.min(50, window), 1, window);
        double weight = reader.number("weight", 0.5, 0.0, 1.0);
        String normalization = reader.oneOf("normalization", "min_max", List.of("min_max", "none", "rrf"));
        ConfigReader fields = reader.object("document_fields");
        if (fields == null) throw reader.error("document_fields", "is missing: write {\"title\": [\"title.en\", \"title\"]}");
        Map<String, List<String>> documentFields = new LinkedHashMap<>();
        fields.remaining().forEach((name, paths) -> documentFields.put(name, fields.asStrings(name, paths)));
        if (documentFields.isEmpty()) throw reader.error("document_fields", "is empty: write {\"title\": [\"title.en\", \"title\"]}");
        reader.finish();
        return new RerankConfig(rerankWindow, weight, Blend.Normalization.valueOf(normalization.toUpperCase(Locale.ROOT)), documentFields);
    }

    /** The knn retrievers alone. */
    List<RetrieverConfig.Knn> knn() {
        return retrievers.stream().filter(RetrieverConfig.Knn.class::isInstance).map(RetrieverConfig.Knn.class::cast).toList();
    }

    /** Whether the caller's own query takes part in the fusion; it runs in any case. */
    boolean fusesLexical() {
        return retrievers.stream().anyMatch(RetrieverConfig.Lexical.class::isInstance);
    }

    /** The translated retriever, or null. */
    RetrieverConfig.Translated translated() {
        return retrievers.stream()
            .filter(RetrieverConfig.Translated.class::isInstance)
            .map(RetrieverConfig.Translated.class::cast)
            .findFirst()
            .orElse(null);
    }
}
